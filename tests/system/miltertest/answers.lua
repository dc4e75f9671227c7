-- SPDX-License-Identifier: BSD-2-Clause
-- An MTA that wants an answer to every step, and tells of unknown commands.
dofile(library)

local c = open(6, nil, 0)
for _, option in ipairs({ SMFIP_NR_CONN, SMFIP_NR_HELO, SMFIP_NR_MAIL, SMFIP_NR_RCPT, SMFIP_NR_HDR, SMFIP_NR_EOH,
	SMFIP_NR_BODY, SMFIP_NOUNKNOWN }) do
	check(mt.test_option(c.handle, option), false, "an option that was not offered")
end
local all = steps_of(read_mail(good))
for step = 1, #all do
	all[step](c)
	if step <= 4 then
		check(mt.unknown(c.handle, "XYZZY 1"), nil, "an unknown command")
		check(mt.getreply(c.handle), SMFIR_CONTINUE, "its answer")
	end
end
check(mt.eom(c.handle), nil, "eom")
check(mt.getreply(c.handle), SMFIR_DISCARD, "a good reply")
mt.disconnect(c.handle)
