-- SPDX-License-Identifier: BSD-2-Clause
-- A mail that is given up after each of its steps, all on one connection: the next is judged as if it were the first.
dofile(library)

local mail = read_mail(good)
local all = steps_of(mail)
local c = open()
greet(c)
helo(c)
check(mt.abort(c.handle), nil, "abort")
for last = 3, #all do
	for step = 3, last do
		all[step](c)
	end
	check(mt.abort(c.handle), nil, "abort")
	check(mt.abort(c.handle), nil, "a second abort")
	check(send(c, read_mail(unsigned)), SMFIR_REPLYCODE, "an unsigned reply after an abort")
end
check(send(c, mail), SMFIR_DISCARD, "a good reply at the end")
check(mt.disconnect(c.handle), nil, "quit")
