-- SPDX-License-Identifier: BSD-2-Clause
-- An MTA of each version of the protocol: the same verdicts.
dofile(library)

local c = open(tonumber(version))
greet(c)
helo(c)
check(send(c, read_mail(other), { "bob@ca.acme-lab.net" }), SMFIR_ACCEPT, "a mail to others")
check(mt.abort(c.handle), nil, "abort")
check(send(c, read_mail(unsigned)), SMFIR_REPLYCODE, "an unsigned reply")
check(send(c, read_mail(good)), SMFIR_DISCARD, "a good reply")
check(mt.disconnect(c.handle), nil, "quit")
