/* main.c: argv to a running server. */
#include <stdio.h>

int main(void)
{
    puts("tokamak " TOKAMAK_VERSION);
    return 0;
}
