/* The program's entry. Everything else can be linked into tests. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
    return sv_cli_main(argc, (const char *const *)argv);
}
