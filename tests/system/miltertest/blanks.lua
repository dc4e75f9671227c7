-- SPDX-License-Identifier: BSD-2-Clause
-- Field values with and without their leading blank (SMFIP_HDR_LEADSPC), as the MTA can.
dofile(library)

local steps = leading == "yes" and ALL_STEPS or ALL_STEPS - SMFIP_HDR_LEADSPC
local c = open(6, nil, steps)
check(mt.test_option(c.handle, SMFIP_HDR_LEADSPC), leading == "yes", "the leading blank")
greet(c)
helo(c)
check(send(c, read_mail(good)), SMFIR_DISCARD, "a good reply")
mt.disconnect(c.handle)
