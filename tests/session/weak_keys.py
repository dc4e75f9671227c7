# SPDX-License-Identifier: BSD-2-Clause
"""Keys of each kind that is known to be weak, some that are not, and signatures by them.

The primes are found from fixed beginnings, so that each run has the same keys.
"""
import base64
import hashlib
import math
import os
import random
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data"))

from generator.signing import NOW, Signature, load_key, public_base64  # noqa: E402  pylint: disable=wrong-import-position

SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
SMALL_PRIMES = [n for n in range(3, 2000) if all(n % m for m in range(2, int(n ** 0.5) + 1))]
P25519 = 2 ** 255 - 19
L25519 = 2 ** 252 + 27742317777372353535851937790883648493
ORDER_8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826


def is_prime(n):
    if any(n % p == 0 for p in SMALL_PRIMES):
        return False
    return all(pow(base, n - 1, n) == 1 for base in (2, 3, 5))


def next_prime(n):
    n |= 1
    while not is_prime(n):
        n += 2
    return n


class RSAKey:
    """expect: a part of the milter's reason, None where the key is good. factors: of n, with repetitions."""

    def __init__(self, name, factors, e=65537, expect=None, verdict="dkim-key-weak"):
        self.name, self.n, self.e, self.expect, self.kind = name, math.prod(factors), e, expect, "rsa"
        self.verdict, self.is_prime = verdict if expect else None, len(factors) == 1
        phi = 1
        for i, p in enumerate(factors):
            phi *= p if p in factors[:i] else p - 1
        self.d = pow(e, -1, phi) if math.gcd(e, phi) == 1 else 1

    def public(self):
        def integer(value):
            data = value.to_bytes(value.bit_length() // 8 + 1, "big")
            return der(2, data)

        def der(tag, data):
            head = bytes([len(data)]) if len(data) < 128 else b"\x82" + len(data).to_bytes(2, "big")
            return bytes([tag]) + head + data

        algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
        return der(0x30, algorithm + der(3, b"\0" + der(0x30, integer(self.n) + integer(self.e))))

    def number(self):
        return self.n.to_bytes((self.n.bit_length() + 7) // 8, "big")

    def sign(self, data):
        length = (self.n.bit_length() + 7) // 8
        digest = SHA256_INFO + hashlib.sha256(data).digest()
        block = b"\0\1" + b"\xff" * (length - len(digest) - 3) + b"\0" + digest
        return pow(int.from_bytes(block, "big"), self.d, self.n).to_bytes(length, "big")


class Ed25519Key:
    """A point that nobody has a private key of. order: of that point, 0 where nothing can be forged."""

    def __init__(self, name, encoding, order, expect):
        self.name, self.encoding, self.order, self.expect, self.kind = name, encoding, order, expect, "ed25519"
        self.verdict, self.works = "dkim-fail", False

    def public(self):
        return self.encoding

    def number(self):
        return self.encoding.lstrip(b"\0")

    def sign(self, data):
        """R is the identity and S is 0: it verifies wherever the hash modulo L is a multiple of the order."""
        r = (1).to_bytes(32, "little")
        k = hashlib.sha512(r + self.encoding + hashlib.sha256(data).digest()).digest()
        self.works = self.order > 0 and int.from_bytes(k, "little") % L25519 % self.order == 0
        return r + bytes(32)


class WeakSignature(Signature):
    """By one of these keys; another t= is taken until a forgery works."""

    def __init__(self, key, **options):
        super().__init__(a=f"{key.kind}-sha256", **options)
        self.weak = key

    def dns_record(self):
        return f"v=DKIM1; k={self.weak.kind}; p={base64.b64encode(self.weak.public()).decode()}"

    def make(self, fields, body):
        value = b""
        for second in range(200):
            self.tags["t"] = str(NOW - 30 - second)
            value = self._own(fields, body)
            if self.weak.kind == "rsa" or self.weak.works or self.weak.order == 0:
                break
        return value

    def _sign(self, data, sha1):
        return self.weak.sign(data)


def primes_of_roca(bits, how_many):
    """k * M + 65537^a mod M, as Infineon's library made them for keys of 960 bits and more: M has 71 primes."""
    draw = random.Random(15361)
    m = 2 * math.prod(SMALL_PRIMES[:70])
    found = []
    while len(found) < how_many:
        n = (draw.getrandbits(bits - m.bit_length()) | 1 << (bits - m.bit_length())) * m + pow(65537, draw.getrandbits(62), m)
        if is_prime(n):
            found.append(n)
    return found


def sparse_prime(seed):
    """Of each 128 bits 16 are drawn."""
    draw = random.Random(seed)
    return next_prime(sum((draw.getrandbits(16) | 0x8000) << (128 * i) for i in range(8)) | 1 << 1008)


def rsa_keys():
    numbers = [load_key(name).private_numbers() for name in ("rsa2048", "rsa2048b")]
    p, q = numbers[0].p, numbers[0].q
    other = numbers[1].p
    small = "a small factor"
    close = "too close"
    yield RSAKey("good", [p, q])
    yield RSAKey("good, exponent 17", [p, other], 17)
    yield RSAKey("exponent 1", [p, q], 1, "exponent")
    yield RSAKey("exponent 2", [p, q], 2, "exponent")
    yield RSAKey("exponent 65536", [p, q], 65536, "exponent")
    yield RSAKey("even modulus", [2, p, q], 65537, small)
    yield RSAKey("modulus of three primes, 3 one of them", [3, p, q], 65537, small)
    yield RSAKey("modulus of three primes, 65521 one of them", [65521, p, q], 65537, small)
    yield RSAKey("a prime", [next_prime(p << 1024)], 65537, "a prime")
    yield RSAKey("a square", [p, p], 65537, close)
    yield RSAKey("the next prime", [p, next_prime(p + 2)], 65537, close)
    yield RSAKey("ROCA", primes_of_roca(1024, 2), 65537, "ROCA")
    yield RSAKey("ROCA of 1024 bits", primes_of_roca(512, 2), 65537, "ROCA")
    yield RSAKey("sparse primes", [sparse_prime(1), sparse_prime(2)], 65537, "too few random bits")


def small_order_encodings():
    """The 14 of libsodium and ed25519-speccheck: (order, 32 bytes)."""
    for order, y in ((1, 1), (2, P25519 - 1), (4, 0), (8, ORDER_8), (8, P25519 - ORDER_8), (4, P25519), (1, P25519 + 1)):
        for sign in (0, 1 << 255):
            yield order, (y | sign).to_bytes(32, "little")


def ed25519_keys():
    for order, encoding in small_order_encodings():
        y = int.from_bytes(encoding, "little") % 2 ** 255
        expect = "small order" if y < P25519 else "canonical"
        yield Ed25519Key(f"order {order}, {encoding.hex()}", encoding, order, expect)
    for y in (P25519 + 2, P25519 + 18):
        yield Ed25519Key(f"y = p + {y - P25519}", y.to_bytes(32, "little"), 0, "canonical")
    yield Ed25519Key("y = 2", (2).to_bytes(32, "little"), 0, "point of the curve")


def raw_ed25519(name):
    """The 32 bytes of the public half of a key of tests/data/keys."""
    return base64.b64decode(public_base64(name))
