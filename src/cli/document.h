/* Everything that is generated from the table of commands: help, manual pages, completions and the
 * reference page. */
#ifndef SV_CLI_DOCUMENT_H
#define SV_CLI_DOCUMENT_H

#include "cli/cli.h"

/* What `serval help` and `serval help COMMAND` print. */
void sv_document_program(sv_text *out);
void sv_document_command(sv_text *out, const sv_command *command);
/* Manual pages in man(7); NULL: of the program. */
void sv_document_man(sv_text *out, const sv_command *command);
/* The reference page docs/cli.md. */
void sv_document_markdown(sv_text *out);
/* Completion scripts. */
void sv_document_bash(sv_text *out);
void sv_document_zsh(sv_text *out);

#endif
