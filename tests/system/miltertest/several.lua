-- SPDX-License-Identifier: BSD-2-Clause
-- Several mails on a connection are strangers to each other.
dofile(library)

local c = open()
greet(c)
helo(c)
for _ = 1, 3 do
	check(send(c, read_mail(other), { "bob@ca.acme-lab.net" }), SMFIR_ACCEPT, "a mail to others")
	check(send(c, read_mail(unsigned)), SMFIR_REPLYCODE, "an unsigned reply")
	check(send(c, read_mail(good)), SMFIR_DISCARD, "a good reply")
	check(send(c, read_mail(good), { "bob@ca.acme-lab.net", recipient }), SMFIR_ACCEPT, "a good reply to two")
	check(mt.eom_check(c.handle, MT_RCPTDELETE, "<" .. recipient .. ">"), true, "the challenge address is removed")
	check(mt.eom_check(c.handle, MT_RCPTDELETE, "<bob@ca.acme-lab.net>"), false, "the other is not")
end
mt.disconnect(c.handle)
