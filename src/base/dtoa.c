#include "base/dtoa.h"

enum {
    MANTISSA_BITS = 52,
    EXPONENT_BIAS = 1023 + MANTISSA_BITS,
    POWER_FIRST = -348, /* decimal exponent of powers[0] */
    POWER_STEP = 8,
    /* The scaled value's binary exponent lies in [ALPHA, GAMMA]: its integral part then fits in 32
     * bits and ten times its fraction in 64. */
    ALPHA = -60,
    GAMMA = -32,
};

#define HIDDEN_BIT ((uint64_t)1 << MANTISSA_BITS)

/* f × 2^e, an unsigned "do it yourself" float of 64 bits. */
struct diy {
    uint64_t f;
    int e;
};

/* 10^(POWER_FIRST + i × POWER_STEP), correctly rounded to 64 bits with the top bit set. */
static const struct diy powers[] = {
    {0xfa8fd5a0081c0288, -1220}, {0xbaaee17fa23ebf76, -1193}, {0x8b16fb203055ac76, -1166},
    {0xcf42894a5dce35ea, -1140}, {0x9a6bb0aa55653b2d, -1113}, {0xe61acf033d1a45df, -1087},
    {0xab70fe17c79ac6ca, -1060}, {0xff77b1fcbebcdc4f, -1034}, {0xbe5691ef416bd60c, -1007},
    {0x8dd01fad907ffc3c, -980},  {0xd3515c2831559a83, -954},  {0x9d71ac8fada6c9b5, -927},
    {0xea9c227723ee8bcb, -901},  {0xaecc49914078536d, -874},  {0x823c12795db6ce57, -847},
    {0xc21094364dfb5637, -821},  {0x9096ea6f3848984f, -794},  {0xd77485cb25823ac7, -768},
    {0xa086cfcd97bf97f4, -741},  {0xef340a98172aace5, -715},  {0xb23867fb2a35b28e, -688},
    {0x84c8d4dfd2c63f3b, -661},  {0xc5dd44271ad3cdba, -635},  {0x936b9fcebb25c996, -608},
    {0xdbac6c247d62a584, -582},  {0xa3ab66580d5fdaf6, -555},  {0xf3e2f893dec3f126, -529},
    {0xb5b5ada8aaff80b8, -502},  {0x87625f056c7c4a8b, -475},  {0xc9bcff6034c13053, -449},
    {0x964e858c91ba2655, -422},  {0xdff9772470297ebd, -396},  {0xa6dfbd9fb8e5b88f, -369},
    {0xf8a95fcf88747d94, -343},  {0xb94470938fa89bcf, -316},  {0x8a08f0f8bf0f156b, -289},
    {0xcdb02555653131b6, -263},  {0x993fe2c6d07b7fac, -236},  {0xe45c10c42a2b3b06, -210},
    {0xaa242499697392d3, -183},  {0xfd87b5f28300ca0e, -157},  {0xbce5086492111aeb, -130},
    {0x8cbccc096f5088cc, -103},  {0xd1b71758e219652c, -77},   {0x9c40000000000000, -50},
    {0xe8d4a51000000000, -24},   {0xad78ebc5ac620000, 3},     {0x813f3978f8940984, 30},
    {0xc097ce7bc90715b3, 56},    {0x8f7e32ce7bea5c70, 83},    {0xd5d238a4abe98068, 109},
    {0x9f4f2726179a2245, 136},   {0xed63a231d4c4fb27, 162},   {0xb0de65388cc8ada8, 189},
    {0x83c7088e1aab65db, 216},   {0xc45d1df942711d9a, 242},   {0x924d692ca61be758, 269},
    {0xda01ee641a708dea, 295},   {0xa26da3999aef774a, 322},   {0xf209787bb47d6b85, 348},
    {0xb454e4a179dd1877, 375},   {0x865b86925b9bc5c2, 402},   {0xc83553c5c8965d3d, 428},
    {0x952ab45cfa97a0b3, 455},   {0xde469fbd99a05fe3, 481},   {0xa59bc234db398c25, 508},
    {0xf6c69a72a3989f5c, 534},   {0xb7dcbf5354e9bece, 561},   {0x88fcf317f22241e2, 588},
    {0xcc20ce9bd35c78a5, 614},   {0x98165af37b2153df, 641},   {0xe2a0b5dc971f303a, 667},
    {0xa8d9d1535ce3b396, 694},   {0xfb9b7cd9a4a7443c, 720},   {0xbb764c4ca7a44410, 747},
    {0x8bab8eefb6409c1a, 774},   {0xd01fef10a657842c, 800},   {0x9b10a4e5e9913129, 827},
    {0xe7109bfba19c0c9d, 853},   {0xac2820d9623bf429, 880},   {0x80444b5e7aa7cf85, 907},
    {0xbf21e44003acdd2d, 933},   {0x8e679c2f5e44ff8f, 960},   {0xd433179d9c8cb841, 986},
    {0x9e19db92b4e31ba9, 1013},  {0xeb96bf6ebadf77d9, 1039},  {0xaf87023b9bf0ee6b, 1066},
};

static struct diy diy_normalize(struct diy x)
{
    int shift = __builtin_clzll(x.f);
    return (struct diy){x.f << shift, x.e - shift};
}

/* Upper half of the product, rounded. */
static struct diy diy_multiply(struct diy a, struct diy b)
{
    unsigned __int128 product = (unsigned __int128)a.f * b.f + ((uint64_t)1 << 63);
    return (struct diy){(uint64_t)(product >> 64), a.e + b.e + 64};
}

static struct diy diy_from_double(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint64_t fraction = bits & (HIDDEN_BIT - 1);
    int exponent = (int)(bits >> MANTISSA_BITS & 0x7ff);
    if (exponent == 0)
        return (struct diy){fraction, 1 - EXPONENT_BIAS};
    return (struct diy){fraction | HIDDEN_BIT, exponent - EXPONENT_BIAS};
}

/* The power of ten that brings a number of binary exponent e into [ALPHA, GAMMA]. Two of them can
 * fit; the first guess decides which, and it is the one that Redis's printer makes: another one
 * would now and then give another last digit. */
static struct diy choose_power(int e, int *decimal_exponent)
{
    int guess = (int)(-(e + (int)ARRAY_LEN(powers)) * 0.30102999566398114);
    int i = (guess - POWER_FIRST) / POWER_STEP;
    while (e + powers[i].e + 64 < ALPHA)
        i++;
    while (e + powers[i].e + 64 > GAMMA)
        i--;
    *decimal_exponent = POWER_FIRST + i * POWER_STEP;
    return powers[i];
}

/* Digit generation stops somewhere between the two boundaries. This walks the last digit down
 * towards the value itself, as long as that comes nearer and stays inside.
 * `rest` is the distance from the upper boundary, `target` the value's own, `unit` one step. */
static void approach(char *last, uint64_t rest, uint64_t target, uint64_t delta, uint64_t unit)
{
    while (rest < target && delta - rest >= unit &&
           (rest + unit < target || target - rest > rest + unit - target)) {
        --*last;
        rest += unit;
    }
}

/* Digits of `upper` from the left until the rest is below delta = upper - lower. */
static unsigned generate(struct diy value, struct diy upper, uint64_t delta, char *digits,
                         int *exponent)
{
    unsigned n = 0;
    int shift = -upper.e, kappa = 10;
    uint64_t one = (uint64_t)1 << shift, target = upper.f - value.f;
    uint64_t integral = upper.f >> shift, fraction = upper.f & (one - 1);
    for (uint64_t divisor = 1000000000; divisor > 0; divisor /= 10) {
        uint64_t digit = integral / divisor;
        if (digit || n)
            digits[n++] = (char)('0' + digit);
        integral -= digit * divisor;
        kappa--;
        uint64_t rest = (integral << shift) + fraction;
        if (rest <= delta) {
            *exponent += kappa;
            approach(&digits[n - 1], rest, target, delta, divisor << shift);
            return n;
        }
    }
    for (;;) {
        fraction *= 10;
        delta *= 10;
        target *= 10;
        uint64_t digit = fraction >> shift;
        if (digit || n)
            digits[n++] = (char)('0' + digit);
        fraction &= one - 1;
        kappa--;
        if (fraction < delta) {
            *exponent += kappa;
            approach(&digits[n - 1], fraction, target, delta, one);
            return n;
        }
    }
}

unsigned dtoa_digits(double value, char digits[DTOA_MAX_DIGITS], int *exponent)
{
    struct diy v = diy_from_double(value);
    struct diy upper = diy_normalize((struct diy){(v.f << 1) + 1, v.e - 1});
    /* Below a power of two the doubles lie twice as dense. */
    int half = v.f == HIDDEN_BIT ? 2 : 1;
    struct diy lower = {(v.f << half) - 1, v.e - half};
    lower.f <<= lower.e - upper.e;
    int power_exponent;
    struct diy power = choose_power(upper.e, &power_exponent);
    v = diy_multiply(diy_normalize(v), power);
    upper = diy_multiply(upper, power);
    lower = diy_multiply(lower, power);
    /* The products may be off by one unit: shrink the interval, so that what is inside is safe. */
    upper.f--;
    lower.f++;
    *exponent = -power_exponent;
    return generate(v, upper, upper.f - lower.f, digits, exponent);
}
