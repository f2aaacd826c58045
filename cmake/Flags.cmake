# Compiler and linker flags for everything that is built here.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
include(CheckPIESupported)
check_pie_supported()
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

# Sanitizer builds use RelWithDebInfo: optimised a little, asserts on. Release has asserts off and
# just enough debug information for a profile or a backtrace with lines.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g3")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O1 -g -fno-omit-frame-pointer")

find_program(SERVAL_CCACHE ccache)
if(SERVAL_CCACHE AND NOT CMAKE_C_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER "${SERVAL_CCACHE}")
endif()

# Answers must not depend on the compiler's mood: no contraction into fused multiply-adds that the
# source does not ask for.
add_compile_options(-Wall -Wextra -ffp-contract=off -fno-math-errno
                    -ffunction-sections -fdata-sections)
add_link_options(-Wl,--gc-sections -Wl,-z,relro -Wl,-z,now)
if(SERVAL_WERROR)
    add_compile_options(-Werror)
endif()
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wshadow=local)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
    add_compile_options(-fstack-protector-strong -D_FORTIFY_SOURCE=2)
endif()
add_compile_definitions(SERVAL_VERSION="${PROJECT_VERSION}")

if(SERVAL_SANITIZE)
    if(SERVAL_SANITIZE STREQUAL "address")
        set(checks -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all)
    else()
        set(checks -fsanitize=${SERVAL_SANITIZE})
    endif()
    add_compile_options(${checks})
    add_link_options(${checks})
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
        # Instrumented code confuses gcc's flow analysis; the plain builds keep the warning.
        add_compile_options(-Wno-maybe-uninitialized)
    else()
        # Nor does clang vectorise every loop that asks for it when checks stand in its body.
        add_compile_options(-Wno-pass-failed)
    endif()
endif()

if(SERVAL_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "SERVAL_FUZZ needs clang, found ${CMAKE_C_COMPILER_ID}")
    endif()
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
