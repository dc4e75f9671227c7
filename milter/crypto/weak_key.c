/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults of key generation that have been found in real keys, each told from the public key alone. A key is
 * judged at its first sight only (key_cache), so that these checks may cost about as much as ten
 * verifications. They are made with OpenSSL's BIGNUM, in time that depends on the key: it is public.
 */
#include "weak_key.h"

#include <stdlib.h>
#include <string.h>

enum {
    SMALL_PRIME_MAX = 65537,
    SMALL_PRIMES_BITS_MAX = 96 * 1024, /* of their product */
    FERMAT_STEPS = 100,
    SPARSE_BITS_MIN = 500, /* of a modulus: fewer say too little */
    SPARSE_PERCENT = 40,
};

struct rsa_key {
    BIGNUM *modulus;
    BIGNUM *exponent;
    const BIGNUM *small_primes;
};

static enum outcome outcome_of(bool has_memory, bool is_weak)
{
    if (!has_memory)
        return OUTCOME_INTERNAL;
    return is_weak ? OUTCOME_BROKEN_INPUT : OUTCOME_OK;
}

/* Primes are multiplied into words first: a multiplication by a word costs the same for a full one. The bit
 * takes all of the memory at once. */
static bool multiply_primes(const bool *is_composite, BIGNUM *product)
{
    BN_ULONG word = 1;
    bool ok = BN_set_bit(product, SMALL_PRIMES_BITS_MAX) == 1 && BN_one(product) == 1;
    for (unsigned i = 2; i <= SMALL_PRIME_MAX && ok; i++) {
        if (is_composite[i])
            continue;
        if (word > ~(BN_ULONG)0 / i) {
            ok = BN_mul_word(product, word) == 1;
            word = 1;
        }
        word *= i;
    }
    return ok && BN_mul_word(product, word) == 1;
}

BIGNUM *weak_key_small_primes(void)
{
    bool *is_composite = calloc(SMALL_PRIME_MAX + 1, sizeof *is_composite);
    BIGNUM *product = BN_new();
    for (unsigned i = 2; is_composite != NULL && i * i <= SMALL_PRIME_MAX; i++)
        for (unsigned j = i * i; j <= SMALL_PRIME_MAX && !is_composite[i]; j += i)
            is_composite[j] = true;
    if (product == NULL || is_composite == NULL || !multiply_primes(is_composite, product)) {
        BN_free(product);
        product = NULL;
    }
    free(is_composite);
    return product;
}

/* With e = 1 each mail is its own signature; with an even e no private key exists. */
static enum outcome check_exponent(const struct rsa_key *key, BN_CTX *ctx)
{
    (void)ctx;
    return outcome_of(true, BN_is_one(key->exponent) || !BN_is_odd(key->exponent));
}

/* An even modulus is the commonest: a key that was damaged on its way to the DNS. */
static enum outcome check_small_factors(const struct rsa_key *key, BN_CTX *ctx)
{
    BIGNUM *a = BN_CTX_get(ctx);
    BIGNUM *b = BN_CTX_get(ctx);
    bool ok = b != NULL && BN_copy(a, key->modulus) != NULL && BN_mod(b, key->small_primes, a, ctx) == 1;
    while (ok && !BN_is_zero(b)) { /* Euclid's; BN_gcd hides its numbers, which costs ten times as much */
        ok = BN_mod(a, a, b, ctx) == 1;
        BN_swap(a, b);
    }
    return outcome_of(ok, ok && !BN_is_one(a));
}

/*
 * Of a modulus that is itself a prime anybody can compute the private exponent. By Fermat's test to the base
 * 2: what passes it and is no prime is too rare to be a key.
 */
static enum outcome check_prime(const struct rsa_key *key, BN_CTX *ctx)
{
    BIGNUM *exponent = BN_CTX_get(ctx);
    BIGNUM *power = BN_CTX_get(ctx);
    bool ok = power != NULL && BN_copy(exponent, key->modulus) != NULL && BN_sub_word(exponent, 1) == 1 &&
              BN_set_word(power, 2) == 1 && BN_mod_exp(power, power, exponent, key->modulus, ctx) == 1;
    return outcome_of(ok, ok && BN_is_one(power));
}

/* Newton's method from above. */
static bool integer_root(BIGNUM *root, const BIGNUM *n, BN_CTX *ctx)
{
    BN_CTX_start(ctx);
    BIGNUM *next = BN_CTX_get(ctx);
    BN_zero(root);
    bool ok = next != NULL && BN_set_bit(root, (BN_num_bits(n) + 1) / 2) == 1;
    while (ok) {
        ok = BN_div(next, NULL, n, root, ctx) == 1 && BN_add(next, next, root) == 1 &&
             BN_rshift1(next, next) == 1;
        if (ok && BN_cmp(next, root) >= 0)
            break;
        BN_swap(root, next);
    }
    BN_CTX_end(ctx);
    return ok;
}

/* By what it leaves when divided by these numbers: of a hundred others one is left. */
static bool may_be_square(BN_ULONG rest)
{
    static const unsigned divisors[] = {64, 9, 5, 7, 11, 13};
    for (size_t i = 0; i < sizeof divisors / sizeof divisors[0]; i++) {
        unsigned x = 0;
        while (x < divisors[i] && x * x % divisors[i] != rest % divisors[i])
            x++;
        if (x == divisors[i])
            return false;
    }
    return true;
}

/* False: out of memory. */
static bool is_square(const BIGNUM *n, bool *result, BN_CTX *ctx)
{
    enum { PRODUCT_OF_DIVISORS = 64 * 9 * 5 * 7 * 11 * 13 };
    BN_ULONG rest = BN_mod_word(n, PRODUCT_OF_DIVISORS);
    *result = false;
    if (rest >= PRODUCT_OF_DIVISORS)
        return false;
    if (!may_be_square(rest))
        return true;
    BN_CTX_start(ctx);
    BIGNUM *root = BN_CTX_get(ctx);
    bool ok = root != NULL && integer_root(root, n, ctx) && BN_sqr(root, root, ctx) == 1;
    *result = ok && BN_cmp(root, n) == 0;
    BN_CTX_end(ctx);
    return ok;
}

/* n = a^2 - b^2 = (a + b)(a - b): found in a few steps where the primes are close to each other, or one. */
static enum outcome check_close_primes(const struct rsa_key *key, BN_CTX *ctx)
{
    BIGNUM *a = BN_CTX_get(ctx);
    BIGNUM *b_squared = BN_CTX_get(ctx);
    bool ok = b_squared != NULL && integer_root(a, key->modulus, ctx) && BN_sqr(b_squared, a, ctx) == 1 &&
              BN_sub(b_squared, b_squared, key->modulus) == 1;
    bool is_weak = ok && BN_is_zero(b_squared);
    for (int i = 0; i < FERMAT_STEPS && ok && !is_weak; i++)
        ok = BN_add(b_squared, b_squared, a) == 1 && BN_add_word(a, 1) == 1 &&
             BN_add(b_squared, b_squared, a) == 1 && is_square(b_squared, &is_weak, ctx);
    return outcome_of(ok, is_weak);
}

/*
 * Infineon's library (CVE-2017-15361) took primes k * M + 65537^a mod M, M the product of the first primes,
 * so that the modulus is a power of 65537 modulo M, too. For the smallest M, of 39 primes, one other key in
 * 2^150 is. The orders are those of 65537 modulo M and of its parts.
 */
static const char roca_modulus[] = "49265D3574CEFD04229BFD662A4A46F8611ED0226C655F076EBADE3"; /* M / 2 */
static const char roca_order[] = "2454106387091158800";
static const BN_ULONG roca_order_parts[] = {16, 81, 25, 7, 11, 13, 17, 23, 29, 37, 41, 53, 83};

/* Whether element is a power of 65537 in the subgroup of that many elements. False: out of memory. */
static bool is_power_in_part(const BIGNUM *element, const BIGNUM *order, BN_ULONG part, const BIGNUM *modulus,
                             bool *result, BN_CTX *ctx)
{
    BN_CTX_start(ctx);
    BIGNUM *exponent = BN_CTX_get(ctx);
    BIGNUM *generator = BN_CTX_get(ctx);
    BIGNUM *wanted = BN_CTX_get(ctx);
    BIGNUM *power = BN_CTX_get(ctx);
    bool ok = power != NULL && BN_copy(exponent, order) != NULL && BN_div_word(exponent, part) == 0 &&
              BN_set_word(generator, 65537) == 1 && BN_one(power) == 1 &&
              BN_mod_exp(generator, generator, exponent, modulus, ctx) == 1 &&
              BN_mod_exp(wanted, element, exponent, modulus, ctx) == 1;
    *result = ok && BN_cmp(power, wanted) == 0;
    for (BN_ULONG i = 1; i < part && ok && !*result; i++) {
        ok = BN_mod_mul(power, power, generator, modulus, ctx) == 1;
        *result = ok && BN_cmp(power, wanted) == 0;
    }
    BN_CTX_end(ctx);
    return ok;
}

static enum outcome check_roca(const struct rsa_key *key, BN_CTX *ctx)
{
    BIGNUM *element = BN_CTX_get(ctx);
    BIGNUM *power = BN_CTX_get(ctx);
    BIGNUM *modulus = NULL, *order = NULL;
    bool ok = power != NULL && BN_hex2bn(&modulus, roca_modulus) != 0 && BN_dec2bn(&order, roca_order) != 0 &&
              BN_mod(element, key->modulus, modulus, ctx) == 1 &&
              BN_mod_exp(power, element, order, modulus, ctx) == 1;
    bool is_weak = ok && BN_is_one(power);
    for (size_t i = 0; i < sizeof roca_order_parts / sizeof roca_order_parts[0] && ok && is_weak; i++)
        ok = is_power_in_part(element, order, roca_order_parts[i], modulus, &is_weak, ctx);
    BN_free(modulus);
    BN_free(order);
    return outcome_of(ok, is_weak);
}

/* False: out of memory. */
static bool is_sparse(const BIGNUM *n, bool *result)
{
    int bytes = BN_num_bytes(n);
    int set = 0;
    unsigned char *text = malloc((size_t)bytes + 1);
    if (text == NULL)
        return false;
    (void)BN_bn2bin(n, text);
    for (int i = 0; i < bytes; i++)
        set += __builtin_popcount(text[i]);
    free(text);
    *result = set * 100 < SPARSE_PERCENT * BN_num_bits(n);
    return true;
}

/*
 * Primes of which only a few bits were drawn make a modulus with stretches of zeros, which is a polynomial in
 * a power of 2, and can be factored as one. A modulus whose upper half alone is sparse was made so on
 * purpose, to hold a text, and is no worse for it.
 */
static enum outcome check_sparse(const struct rsa_key *key, BN_CTX *ctx)
{
    BIGNUM *lower = BN_CTX_get(ctx);
    bool is_whole = false, is_lower = false;
    int bits = BN_num_bits(key->modulus);
    if (bits < SPARSE_BITS_MIN)
        return OUTCOME_OK;
    bool ok = lower != NULL && is_sparse(key->modulus, &is_whole) && BN_copy(lower, key->modulus) != NULL &&
              BN_mask_bits(lower, bits / 2) == 1 && is_sparse(lower, &is_lower);
    return outcome_of(ok, is_whole && is_lower);
}

static const struct {
    enum outcome (*check)(const struct rsa_key *key, BN_CTX *ctx);
    const char *why;
} rsa_checks[] = {
    {check_exponent, "weak key: the RSA exponent is 1 or even"},
    {check_small_factors, "weak key: the RSA modulus has a small factor"},
    {check_prime, "weak key: the RSA modulus is a prime, not a product of two"},
    {check_close_primes, "weak key: the two primes of the RSA modulus are too close to each other"},
    {check_roca, "weak key: made by Infineon's faulty library (ROCA)"},
    {check_sparse, "weak key: the RSA modulus holds too few random bits"},
};

static enum outcome run_rsa_checks(const struct rsa_key *key, BN_CTX *ctx, const char **why)
{
    enum outcome outcome = OUTCOME_OK;
    for (size_t i = 0; i < sizeof rsa_checks / sizeof rsa_checks[0] && outcome == OUTCOME_OK; i++) {
        *why = rsa_checks[i].why;
        BN_CTX_start(ctx);
        outcome = rsa_checks[i].check(key, ctx);
        BN_CTX_end(ctx);
    }
    return outcome;
}

enum outcome weak_key_check_rsa(struct span modulus, struct span exponent, const BIGNUM *small_primes,
                                const char **why)
{
    struct rsa_key key = {
        .modulus = BN_bin2bn((const unsigned char *)modulus.data, (int)modulus.len, NULL),
        .exponent = BN_bin2bn((const unsigned char *)exponent.data, (int)exponent.len, NULL),
        .small_primes = small_primes,
    };
    BN_CTX *ctx = BN_CTX_new();
    enum outcome outcome = OUTCOME_INTERNAL;
    if (key.modulus != NULL && key.exponent != NULL && ctx != NULL)
        outcome = run_rsa_checks(&key, ctx, why);
    BN_CTX_free(ctx);
    BN_free(key.exponent);
    BN_free(key.modulus);
    return outcome;
}

/*
 * The y of the eight points whose order divides 8 (RFC 8032 section 5.1, the lowest byte first). With the
 * sign of x, and with y + p where it fits into 255 bits, they make the 14 encodings of such points. OpenSSL
 * verifies a constant signature under each of them, for 1/8 to all of the texts: no private key is needed.
 */
static const unsigned char small_orders[][WEAK_KEY_ED25519_BYTES] = {
    {0},
    {1},
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
     0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
     0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
};
static const char field_prime[] = "7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFED";
static const char curve_d[] = "52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3";

/*
 * x^2 = (y^2 - 1) / (d y^2 + 1) must have a root, so (y^2 - 1)(d y^2 + 1) must be a square. False: out of
 * memory.
 */
static bool is_on_curve(const BIGNUM *y, const BIGNUM *p, const BIGNUM *d, bool *result, BN_CTX *ctx)
{
    BIGNUM *u = BN_CTX_get(ctx);
    BIGNUM *v = BN_CTX_get(ctx);
    bool ok = v != NULL && BN_mod_sqr(u, y, p, ctx) == 1 && BN_mod_mul(v, u, d, p, ctx) == 1 &&
              BN_sub_word(u, 1) == 1 && BN_add_word(v, 1) == 1 && BN_mod_mul(u, u, v, p, ctx) == 1;
    int symbol = ok ? BN_kronecker(u, p, ctx) : -2;
    *result = symbol == 1;
    return symbol != -2;
}

static enum outcome check_point(const unsigned char *bytes, BN_CTX *ctx, const char **why)
{
    BIGNUM *y = BN_CTX_get(ctx);
    BIGNUM *p = NULL, *d = NULL;
    bool is_good = true;
    bool ok = y != NULL && BN_lebin2bn(bytes, WEAK_KEY_ED25519_BYTES, y) != NULL &&
              BN_hex2bn(&p, field_prime) != 0 && BN_hex2bn(&d, curve_d) != 0;
    *why = "weak key: the Ed25519 key is not in canonical form";
    if (ok)
        is_good = BN_cmp(y, p) < 0;
    if (ok && is_good) {
        *why = "weak key: the Ed25519 key is not a point of the curve";
        ok = is_on_curve(y, p, d, &is_good, ctx);
    }
    BN_free(p);
    BN_free(d);
    return outcome_of(ok, !is_good);
}

enum outcome weak_key_check_ed25519(const unsigned char *key, const char **why)
{
    unsigned char y[WEAK_KEY_ED25519_BYTES];
    memcpy(y, key, sizeof y);
    y[sizeof y - 1] &= 0x7f; /* the sign of x; where x is 0, and has none, the point is of small order */
    *why = "weak key: the Ed25519 key is a point of small order";
    for (size_t i = 0; i < sizeof small_orders / sizeof small_orders[0]; i++)
        if (memcmp(y, small_orders[i], sizeof y) == 0)
            return OUTCOME_BROKEN_INPUT;
    BN_CTX *ctx = BN_CTX_new();
    if (ctx == NULL)
        return OUTCOME_INTERNAL;
    BN_CTX_start(ctx);
    enum outcome outcome = check_point(y, ctx, why);
    BN_CTX_end(ctx);
    BN_CTX_free(ctx);
    return outcome;
}
