# SPDX-License-Identifier: BSD-2-Clause
"""acme2certifier's WSGI application with acme-milter's replies in the place of IMAP; for the web server to load."""
import acme_milter_replies

acme_milter_replies.install()

from acme2certifier.share.acme2certifier_wsgi import application  # noqa: E402,F401 pylint: disable=wrong-import-position
