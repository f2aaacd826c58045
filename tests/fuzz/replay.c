/* The main of a fuzz target that is built without libFuzzer: runs the target's entry point over the
 * files of the folders named on the command line, so that every compiler and sanitizer build tests
 * the corpus. It makes no inputs of its own. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads a whole file into memory of exactly its size, so that a read beyond it is seen. */
static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    uint8_t *data = NULL;
    long end = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    if (end >= 0 && fseek(file, 0, SEEK_SET) == 0) {
        data = malloc(end > 0 ? (size_t)end : 1);
        if (data && fread(data, 1, (size_t)end, file) != (size_t)end) {
            free(data);
            data = NULL;
        }
    }
    fclose(file);
    *size = data ? (size_t)end : 0;
    return data;
}

/* Returns how many files were run, or -1 if one could not be read. */
static int replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir) return -1;
    int count = 0;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (entry->d_name[0] == '.') continue;
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        size_t size = 0;
        uint8_t *data = read_file(path, &size);
        if (!data) {
            fprintf(stderr, "replay: %s: cannot be read\n", path);
            count = -1;
            break;
        }
        LLVMFuzzerTestOneInput(data, size);
        free(data);
        count++;
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int count = replay_folder(argv[i]);
        if (count <= 0) {
            fprintf(stderr, "replay: %s: expected inputs, found none\n", argv[i]);
            return 1;
        }
        printf("replay: %s: %d inputs\n", argv[i], count);
    }
    return 0;
}
