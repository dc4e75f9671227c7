-- SPDX-License-Identifier: BSD-2-Clause
-- What the scripts share. From the command line: socket, sender, recipient, and files of mails (CRLF).

ALL_STEPS = 2 ^ 21 - 1
-- What an MTA of each protocol version can offer; miltertest says DATA to older ones, which do not know that.
ACTIONS = { [4] = 0x3f, [5] = 0x3f, [6] = 0x1ff }
STEPS = { [4] = 0x37f, [5] = 0x37f, [6] = ALL_STEPS }

-- miltertest says nothing of an error but its exit status.
function check(got, want, what)
	if got ~= want then
		print(debug.traceback(string.format("%s: got %s, want %s", what, tostring(got), tostring(want)), 2))
		error(what)
	end
end

-- The fields of a mail as {name, value} with the value's leading blanks and folds as LF, and its body.
function read_mail(path)
	local file = assert(io.open(path, "rb"))
	local text = file:read("a")
	file:close()
	local at = string.find(text, "\r\n\r\n", 1, true)
	local mail = { fields = {}, body = string.sub(text, at + 4) }
	for line in string.gmatch(string.sub(text, 1, at + 1), "(.-)\r\n") do
		if string.match(line, "^[ \t]") then
			local field = mail.fields[#mail.fields]
			field[2] = field[2] .. "\n" .. line
		else
			table.insert(mail.fields, { string.match(line, "^([^:]*):(.*)$") })
		end
	end
	return mail
end

function open(version, actions, steps)
	version = version or 6
	local conn = mt.connect("unix:" .. socket)
	check(conn ~= nil, true, "a connection to " .. socket)
	-- Its manual has the two the other way round.
	check(mt.negotiate(conn, version, steps or STEPS[version], actions or ACTIONS[version]), nil, "negotiate")
	return { handle = conn }
end

-- Checks that a step went well, and that the milter said "go on" if an answer was due.
local function went_on(c, failure, no_reply, what)
	check(failure, nil, what)
	if not mt.test_option(c.handle, no_reply) then
		check(mt.getreply(c.handle), SMFIR_CONTINUE, "the answer to " .. what)
	end
end

function greet(c)
	went_on(c, mt.conninfo(c.handle, "mail.acme-lab.net", "192.0.2.1"), SMFIP_NR_CONN, "connect")
end

function helo(c)
	went_on(c, mt.helo(c.handle, "mail.acme-lab.net"), SMFIP_NR_HELO, "helo")
end

function mail_from(c)
	went_on(c, mt.mailfrom(c.handle, "<" .. sender .. ">"), SMFIP_NR_MAIL, "mail")
end

function rcpt_to(c, address)
	went_on(c, mt.rcptto(c.handle, "<" .. (address or recipient) .. ">"), SMFIP_NR_RCPT, "rcpt")
end

-- The answer to DATA.
function data(c)
	check(mt.data(c.handle), nil, "data")
	return mt.getreply(c.handle)
end

-- The answer to the last field that was sent.
function header(c, mail)
	for _, field in ipairs(mail.fields) do
		-- It adds the leading blank by itself where the milter asked for it.
		check(mt.header(c.handle, field[1], (string.gsub(field[2], "^ ", ""))), nil, "header")
		if not mt.test_option(c.handle, SMFIP_NR_HDR) and mt.getreply(c.handle) ~= SMFIR_CONTINUE then
			return mt.getreply(c.handle)
		end
	end
	return SMFIR_CONTINUE
end

function eoh(c)
	went_on(c, mt.eoh(c.handle), SMFIP_NR_EOH, "eoh")
end

function body(c, mail)
	went_on(c, mt.bodystring(c.handle, mail.body), SMFIP_NR_BODY, "body")
end

-- A whole mail on a connection that was greeted: the answer that decided.
function send(c, mail, addresses)
	mail_from(c)
	for _, address in ipairs(addresses or { recipient }) do
		rcpt_to(c, address)
	end
	local answer = data(c)
	if answer == SMFIR_CONTINUE then
		answer = header(c, mail)
	end
	if answer ~= SMFIR_CONTINUE then
		return answer
	end
	eoh(c)
	body(c, mail)
	check(mt.eom(c.handle), nil, "eom")
	return mt.getreply(c.handle)
end

-- All the steps of a mail, one by one.
function steps_of(mail)
	return {
		greet, helo, mail_from, rcpt_to,
		function(c) check(data(c), SMFIR_CONTINUE, "the answer to data") end,
		function(c) check(header(c, mail), SMFIR_CONTINUE, "the answer to a field") end,
		eoh,
		function(c) body(c, mail) end,
	}
end
