#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The ACME server's end of acme-milter in 60 lines of code: receiver.py SOCKET DATABASE (Python 3.11).

The rest of the ACME server puts a row into the table `challenge` before it sends a challenge mail, and reads its status.
Run it under the milter's group and umask 007, so that the milter may connect and nobody else.
The numbers are the steps of README.md."""
import base64, hashlib, hmac, http.server, json, socketserver, sqlite3, sys
from datetime import datetime, timedelta

TABLE = """CREATE TABLE IF NOT EXISTS challenge (part1 TEXT PRIMARY KEY, part2, thumbprint, identifier, address,
           created, status DEFAULT 'pending', answer_id, answer_code, answer_text)"""


def fold(mailbox):  # the domain without case, the local part as it is
    return mailbox.rpartition("@")[0], mailbox.rpartition("@")[2].lower()


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def digests(part1, part2, thumbprint):  # both readings of "concatenates"
    raw = b"".join(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in (part1, part2))
    return [b64url(hashlib.sha256(f"{token}.{thumbprint}".encode()).digest()) for token in (part1 + part2, b64url(raw))]


def judge(db, r, kind, key):
    if (kind, r["version"], r["challengeType"], key) != ("application/json", 1, "email-reply-00", f'"{r["id"]}"'):  # 1
        raise ValueError("not a result")
    if r["verdict"] != "pass":  # 2
        return 202, "ignored"
    if not all(isinstance(r[name], str) for name in ("id", "challengeAddress", "tokenPart1", "digest", "from", "receivedAt")):
        raise ValueError("not a result")
    received, given = datetime.fromisoformat(r["receivedAt"]), r["digest"].encode("ascii")
    db.execute("BEGIN IMMEDIATE")  # until the commit nobody else decides anything
    row = db.execute("SELECT * FROM challenge WHERE part1 = ?", (r["tokenPart1"],)).fetchone()
    if row is None:  # 3
        return 404, "no challenge has this token"
    if (fold(r["from"]), r["challengeAddress"].lower()) != (fold(row["identifier"]), row["address"].lower()):  # 4, 5
        return 422, "the reply is not from whom the challenge was sent to, or went to another address"
    if row["answer_id"] == r["id"]:  # 6
        return row["answer_code"], row["answer_text"]
    if row["status"] != "pending":  # 7
        return 409, "this challenge has been answered already"
    if received > datetime.fromisoformat(row["created"]) + timedelta(hours=24):  # 8
        return 410, "this challenge has expired"
    right = [hmac.compare_digest(d.encode(), given) for d in digests(row["part1"], row["part2"], row["thumbprint"])]  # 9
    status, *answer = ("valid", 200, "valid") if any(right) else ("invalid", 422, "the digest is not that of this challenge")
    db.execute("UPDATE challenge SET status = ?, answer_id = ?, answer_code = ?, answer_text = ? WHERE part1 = ?",
               (status, r["id"], *answer, row["part1"]))
    return answer


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    address_string = lambda self: "milter"  # for the log: the peer of a UNIX socket has no address

    def do_POST(self):
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(min(length, 1 << 20))
        self.close_connection = length > len(body)
        try:
            with sqlite3.connect(sys.argv[2], timeout=30) as db:  # commits at its end, before the answer
                db.row_factory = sqlite3.Row
                code, text = judge(db, json.loads(body), self.headers.get_content_type(), self.headers.get("Idempotency-Key"))
        except (ValueError, KeyError, TypeError, RecursionError):
            code, text = 400, "not a result object"
        answer = json.dumps({"type": "about:blank", "status": code, "detail": text}).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json" if code < 400 else "application/problem+json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    request_queue_size, daemon_threads = 128, True


if __name__ == "__main__":
    sqlite3.connect(sys.argv[2]).execute(TABLE)
    Server(sys.argv[1], Handler).serve_forever()
