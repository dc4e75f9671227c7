-- SPDX-License-Identifier: BSD-2-Clause
-- An MTA that cannot do what a verdict may need: a reply waits before anything is posted, other mail passes.
dofile(library)

for _, missing in ipairs({ SMFIF_ADDHDRS, SMFIF_CHGHDRS, SMFIF_DELRCPT }) do
	local c = open(6, ACTIONS[6] - missing)
	greet(c)
	helo(c)
	check(send(c, read_mail(other), { "bob@ca.acme-lab.net" }), SMFIR_ACCEPT, "a mail to others")
	check(send(c, read_mail(good)), SMFIR_REPLYCODE, "a good reply")
	mt.disconnect(c.handle)
end
