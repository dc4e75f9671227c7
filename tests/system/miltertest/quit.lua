-- SPDX-License-Identifier: BSD-2-Clause
-- An MTA that goes away after each step of a mail, with a word and without.
dofile(library)

local mail = read_mail(good)
local all = steps_of(mail)
for _, is_polite in ipairs({ true, false }) do
	for last = 0, #all do
		local c = open()
		for step = 1, last do
			all[step](c)
		end
		mt.disconnect(c.handle, is_polite)
	end
end
local c = open()
greet(c)
helo(c)
check(send(c, mail), SMFIR_DISCARD, "a good reply at the end")
mt.disconnect(c.handle)
