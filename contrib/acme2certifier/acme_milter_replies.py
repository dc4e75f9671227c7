#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""acme2certifier takes the replies to its challenge mails from acme-milter, verified, instead of polling a mailbox.

  receiver     acme_milter_replies.py --socket PATH [--socket-group GROUP]: the milter's Endpoint. It knows
               acme2certifier's database, so that it can tell at once whether the reply fits the challenge, and the
               sender's MTA hears of it.
  install()    called where acme2certifier's WSGI application is made: its email-reply-00 is then decided by what the
               receiver has put into the store, and IMAP is never asked.

Both read acme2certifier's own acme_srv.cfg; README has the section [AcmeMilter].
"""
import argparse
import base64
import datetime
import hashlib
import hmac
import http.server
import json
import os
import re
import shutil
import signal
import socketserver
import sqlite3
import sys
import threading
import time
from dataclasses import dataclass

CHALLENGE_TYPE = "email-reply-00"
ERROR = "urn:ietf:params:acme:error:"
SECTION = "AcmeMilter"
DEFAULT_STORE = "/var/lib/acme2certifier/acme-milter.sqlite"
DEFAULT_WAIT = 24 * 3600  # how long a reply may take after the client's POST
LIFETIME = 24 * 3600  # of a challenge, at most: S/MIME Baseline Requirements 3.2.2.4
KEEP_SECONDS = 7 * 24 * 3600
WAITING_MAX = 512  # threads, one for each challenge whose client has POSTed and whose reply has not come
POLL_MAX_SECONDS = 2
BODY_MAX_BYTES = 256 * 1024
TOKEN = re.compile(r"[A-Za-z0-9_-]{22,128}")
ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
DIGEST = re.compile(r"[A-Za-z0-9_-]{43}")


class Problem(Exception):
    """An RFC 9457 problem document. The milter shows `detail` to the sender of the reply."""

    def __init__(self, status, kind, detail):
        super().__init__(detail)
        self.status = status
        self.document = {"type": ERROR + kind, "status": status, "detail": detail}


@dataclass
class Reply:
    """The first reply of the right author to a challenge."""
    token: str
    id: str
    author: str
    digest: str
    is_right: bool


class Store:
    """Replies, by token-part1. Shared by the receiver and every process of acme2certifier, through SQLite."""

    def __init__(self, path):
        self.path = path
        with self._open() as db:
            db.execute("CREATE TABLE IF NOT EXISTS reply (token TEXT PRIMARY KEY, id TEXT NOT NULL, author TEXT NOT NULL,"
                       " digest TEXT NOT NULL, is_right INTEGER NOT NULL, received REAL NOT NULL)")
        db.close()

    def _open(self):
        return sqlite3.connect(self.path, timeout=10)

    def find(self, token):
        db = self._open()
        try:
            row = db.execute("SELECT token, id, author, digest, is_right FROM reply WHERE token = ?", (token,)).fetchone()
        finally:
            db.close()
        return Reply(*row[:4], bool(row[4])) if row else None

    def add(self, reply):
        """The one that counts for its token: this, unless there was one."""
        db = self._open()
        try:
            with db:
                db.execute("DELETE FROM reply WHERE received < ?", (time.time() - KEEP_SECONDS,))
                db.execute("INSERT INTO reply VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                           (reply.token, reply.id, reply.author, reply.digest, reply.is_right, time.time()))
        finally:
            db.close()
        return self.find(reply.token)


def digest_of(token1, token2, thumbprint):
    """As acme2certifier makes it. Its token-part1 stands for 24 bytes, so that clients which join the bytes of the two
    halves instead of their texts come to the same."""
    digest = hashlib.sha256(f"{token1}{token2}.{thumbprint}".encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def unb64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def same_digest(one, other):
    return hmac.compare_digest(one.encode(), other.encode())


def same_mailbox(one, other):
    """RFC 5321 2.4: only the domain is compared without case. acme2certifier's own rule for mails is laxer."""
    local1, _, domain1 = one.rpartition("@")
    local2, _, domain2 = other.rpartition("@")
    return local1 == local2 and a_labels(domain1) == a_labels(domain2)


def a_labels(domain):
    try:
        return domain.encode("idna").decode().lower()
    except UnicodeError:
        return domain.lower()


def seconds_of(when):
    """Of a time as a database gives it (UTC) or RFC 3339 writes it."""
    if isinstance(when, str):
        when = datetime.datetime.fromisoformat(when.replace("Z", "+00:00"))
    return when.replace(tzinfo=when.tzinfo or datetime.timezone.utc).timestamp()


class Acme2certifier:
    """What this module needs of it, all in one place: see README when a new version comes."""

    def __init__(self, logger=None):
        from acme2certifier.acme_srv import helper
        self.helper = helper
        self.config = helper.load_config()
        self.logger = logger or helper.logger_setup(helper.config_debug_get(self.config))

    def setting(self, name, default):
        return self.config.get(SECTION, name, fallback=default)

    def store(self):
        return Store(self.setting("store", DEFAULT_STORE))

    def address(self):
        """Where its challenge mails are to be answered."""
        return self.config.get("DEFAULT", "email_address", fallback="")

    def _database(self):
        from acme2certifier.acme_srv.challenge import DatabaseChallengeRepository
        from acme2certifier.acme_srv.db_handler import DBstore
        database = DBstore(logger=self.logger)
        return database, DatabaseChallengeRepository(database, self.logger)

    def challenge(self, token):
        """The challenge that this token-part1 was sent for, as a dict; None if there is none."""
        database, repository = self._database()
        rows = database.challenges_search("keyauthorization", token, ("name", "type", "keyauthorization", "created_at"))
        # The search is LIKE: case and _ match more than they say.
        rows = [row for row in rows if row["keyauthorization"] == token and row["type"] == CHALLENGE_TYPE]
        if len(rows) != 1:
            return None
        name = rows[0]["name"]
        found = dict(repository.get_challengeinfo_by_challengename(
            name, ("name", "token", "status__name", "authorization__name", "authorization__value")))
        found["status"] = found.pop("status__name", found.get("status"))
        authorization = found.pop("authorization__name", found.get("authorization"))
        (lookup,) = database.authorization_lookup("name", authorization, ("expires",))
        found["expires"] = min(lookup["expires"] or sys.maxsize, seconds_of(rows[0]["created_at"]) + LIFETIME)
        found["thumbprint"] = self.helper.jwk_thumbprint_get(self.logger, repository.get_account_jwk(name))
        return found

    def decide(self, name, is_right):
        """For a challenge whose client has POSTed already: the thread that waits for it may be gone."""
        from acme2certifier.acme_srv.challenge_business_logic import ChallengeStateManager
        states = ChallengeStateManager(self._database()[1], self.logger)
        if is_right:
            states.transition_to_valid(name, None, int(time.time()))
        else:
            states.transition_to_invalid(name, None, "the digest does not belong to this challenge")


def judge(acme, store, result):
    """What a result of the milter does: (HTTP status, document). Whoever is not the author that the challenge was sent
    to changes nothing; his first digest decides, right or wrong (RFC 8823 section 6)."""
    if result["verdict"] != "pass":
        return 202, {"status": "ignored"}  # anyone can send a bad reply
    challenge = acme.challenge(result["tokenPart1"])
    if challenge is None:
        raise Problem(404, "malformed", "no challenge has this token")
    if not same_mailbox(result["from"], challenge["authorization__value"]):
        raise Problem(422, "rejectedIdentifier", "the reply's author is not whom the challenge was sent to")
    if not same_mailbox(result["challengeAddress"].lower(), acme.address().lower()):
        raise Problem(422, "malformed", "the reply went to another address than the challenge's")
    counted = store.find(result["tokenPart1"])
    if counted is None:
        if challenge["status"] not in ("pending", "processing"):
            raise Problem(409, "malformed", "this challenge has been answered already")
        if seconds_of(result["receivedAt"]) > challenge["expires"]:
            raise Problem(410, "malformed", "this challenge has expired")
        right = digest_of(result["tokenPart1"], challenge["token"], challenge["thumbprint"])
        counted = store.add(Reply(result["tokenPart1"], result["id"], result["from"], result["digest"],
                                  same_digest(right, result["digest"])))
    if counted.id != result["id"]:
        raise Problem(409, "malformed", "this challenge has been answered already")
    if challenge["status"] == "processing":
        acme.decide(challenge["name"], counted.is_right)
    if not counted.is_right:
        raise Problem(422, "incorrectResponse", "the digest does not belong to this challenge")
    return 200, {"status": "valid", "identifier": challenge["authorization__value"]}


def read_result(body, idempotency_key):
    """The object of doc/contract, checked as far as `judge` uses it."""
    try:
        result = json.loads(body)
        if result["version"] != 1 or result["challengeType"] != CHALLENGE_TYPE:
            raise ValueError("another version or challenge type")
        names = ("challengeAddress", "tokenPart1", "digest", "from", "receivedAt") if result["verdict"] == "pass" else ()
        for name in ("id", "verdict", *names):
            result[name].encode()  # a string, and one that UTF-8 can write
        if not ID.fullmatch(result["id"]):
            raise ValueError("not an id")
        if names:
            seconds_of(result["receivedAt"])
            if not (TOKEN.fullmatch(result["tokenPart1"]) and DIGEST.fullmatch(result["digest"])):
                raise ValueError("not a token or a digest")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Problem(400, "malformed", "not a result object") from None
    if idempotency_key != f'"{result["id"]}"':
        raise Problem(400, "malformed", "Idempotency-Key is not the result's id")
    return result


def open_jws(body, key_file):
    """The payload of a result that was posted signed (RFC 7515 flattened, EdDSA of RFC 8037)."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    with open(key_file, "rb") as file:
        key = load_pem_public_key(file.read())
    try:
        jws = json.loads(body)
        header = json.loads(unb64url(jws["protected"]))
        if header["alg"] != "EdDSA" or header["typ"] != "acme-email-reply+json" or "crit" in header:
            raise ValueError("not a signed result")
        key.verify(unb64url(jws["signature"]), f"{jws['protected']}.{jws['payload']}".encode())
        return unb64url(jws["payload"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InvalidSignature):
        # Not a status that refuses the mail: the milter's key is wrong, its sender is not at fault.
        raise Problem(403, "unauthorized", "the result's signature does not verify") from None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "acme-milter-replies", ""
    timeout = 300

    def do_GET(self):
        self.close_connection = True  # a body that nobody read may follow
        self.answer(405, Problem(405, "malformed", "POST is wanted").document)

    do_PUT = do_DELETE = do_PATCH = do_HEAD = do_GET

    def do_POST(self):
        try:
            status, document = self.take()
        except Problem as problem:
            status, document = problem.status, problem.document
        except Exception:  # whatever it is, the sender's MTA is to keep the mail
            self.server.acme.logger.exception("acme-milter: a result could not be judged")
            status, document = 503, Problem(503, "serverInternal", "the ACME server has a problem").document
        self.answer(status, document)

    def answer(self, status, document):
        data = (json.dumps(document) + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/problem+json" if status >= 400 else "application/json")
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def take(self):
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"[0-9]{1,9}", length) or int(length) > BODY_MAX_BYTES:
            self.close_connection = True  # the body stays unread
            raise Problem(413, "malformed", "Content-Length is missing or larger than any result")
        body = self.rfile.read(int(length))
        kind, key_file = self.headers.get_content_type(), self.server.acme.setting("evidence_key", None)
        if key_file and kind == "application/jose+json":
            body = open_jws(body, key_file)
        elif key_file or kind == "application/jose+json":
            raise Problem(403, "unauthorized", "evidence_key and EvidenceKeyFile do not fit: one is set, the other is not")
        elif kind != "application/json":
            raise Problem(415, "malformed", "application/json is wanted")
        result = read_result(body, self.headers.get("Idempotency-Key"))
        return judge(self.server.acme, self.server.store, result)

    def log_message(self, format, *args):
        self.server.acme.logger.info("acme-milter: " + format, *args)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, path, group, acme):
        self.acme, self.store = acme, acme.store()
        if os.path.exists(path):
            os.unlink(path)  # left by one that was killed
        super().__init__(path, Handler, bind_and_activate=False)
        umask = os.umask(0o177)  # nobody may connect before group and mode are right
        self.server_bind()
        os.umask(umask)
        if group:
            shutil.chown(path, group=group)
        os.chmod(path, 0o660)
        self.server_activate()


class Waiting:
    """How many challenges wait for their reply in this process."""

    def __init__(self):
        self.slots = threading.BoundedSemaphore(WAITING_MAX)

    def for_reply(self, store, token, seconds):
        """The reply, or None where none came in time, or too many wait already."""
        end, pause = time.monotonic() + seconds, 0.05
        reply = store.find(token)
        if reply is not None or not self.slots.acquire(blocking=False):
            return reply
        try:
            while reply is None and time.monotonic() < end:
                time.sleep(pause)
                pause = min(pause * 1.5, POLL_MAX_SECONDS)
                reply = store.find(token)
        finally:
            self.slots.release()
        return reply


def make_validator(acme):
    """acme2certifier's interface for validators: see its acme_srv/challenge_validators/base.py."""
    from acme2certifier.acme_srv.challenge_validators import ChallengeValidator, ValidationResult
    store, waiting, seconds = acme.store(), Waiting(), int(acme.setting("wait", DEFAULT_WAIT))

    class MilterReplyValidator(ChallengeValidator):
        def get_challenge_type(self):
            return CHALLENGE_TYPE

        def perform_validation(self, context):
            reply = waiting.for_reply(store, context.keyauthorization, seconds)
            if reply is None:
                return ValidationResult(success=False, invalid=True, error_message="no reply came")
            right = digest_of(context.keyauthorization, context.token, context.jwk_thumbprint)
            if not same_mailbox(reply.author, context.authorization_value) or not same_digest(reply.digest, right):
                return ValidationResult(success=False, invalid=True, error_message="the reply is not the right one")
            return ValidationResult(success=True, invalid=False)

    return MilterReplyValidator


def install():
    """Puts the validator in the place of the one that polls. Call it before the WSGI application is imported."""
    from acme2certifier.acme_srv import challenge
    acme = Acme2certifier()
    if acme.config.get("DEFAULT", "imap_server", fallback=None):
        raise RuntimeError("acme-milter: imap_server is set: with it a mail could be taken that nobody has verified")
    validator, make = make_validator(acme), challenge.create_challenge_validator_registry

    def make_registry(logger, config=None):
        registry = make(logger, config)
        if registry.is_supported(CHALLENGE_TYPE):
            registry.register_validator(validator(logger))
        return registry

    challenge.create_challenge_validator_registry = make_registry


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--socket", required=True, help="what the milter's Endpoint names")
    parser.add_argument("--socket-group", help="who may connect: the milter's group")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Server(options.socket, options.socket_group, Acme2certifier()) as server:
        try:
            server.serve_forever()
        finally:
            os.unlink(options.socket)


if __name__ == "__main__":
    sys.exit(main())
