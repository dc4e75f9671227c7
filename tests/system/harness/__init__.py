# SPDX-License-Identifier: BSD-2-Clause
"""Real servers on loopback, for tests: each is started in a folder of its own and ended by its process id."""
