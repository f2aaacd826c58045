# Per-file instruction sets of src/kernels: the suffix of a file's name says what it is compiled
# for (the names are those of SERVAL_CPU). Files of another architecture are left out of the build.

set(SERVAL_X86_AVX2 -mavx2 -mfma -mf16c -mprfchw)
# Tuned for processors that have it: else gcc 12 spills addresses into vector registers, and fetching
# them from there takes a slot of the multiply-adds (7 % of a product).
set(SERVAL_X86_AVX512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mprfchw
                      -mprefer-vector-width=512 -mtune=skylake-avx512)

set(SERVAL_ISA_SUFFIXES avx2 avx512 avx512_vnni avx512_bf16 neon neon_dotprod)
set(SERVAL_ISA_avx2_arch x86)
set(SERVAL_ISA_avx2_flags ${SERVAL_X86_AVX2})
set(SERVAL_ISA_avx512_arch x86)
set(SERVAL_ISA_avx512_flags ${SERVAL_X86_AVX512})
set(SERVAL_ISA_avx512_vnni_arch x86)
set(SERVAL_ISA_avx512_vnni_flags ${SERVAL_X86_AVX512} -mavx512vnni)
set(SERVAL_ISA_avx512_bf16_arch x86)
set(SERVAL_ISA_avx512_bf16_flags ${SERVAL_X86_AVX512} -mavx512vnni -mavx512bf16)
set(SERVAL_ISA_neon_arch arm64)
set(SERVAL_ISA_neon_flags -DSV_SIMD_NEON)
set(SERVAL_ISA_neon_dotprod_arch arm64)
set(SERVAL_ISA_neon_dotprod_flags -DSV_SIMD_NEON -march=armv8.2-a+dotprod)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    set(SERVAL_ARCH x86)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    set(SERVAL_ARCH arm64)
else()
    set(SERVAL_ARCH other)
endif()

# Instrumented, the vector kernels take longer to compile than all the rest. With AddressSanitizer,
# what asks about every pointer twice is left to the baseline's copy of the same code. Fuzzing looks
# for faults of the readers, and leaves all of these out.
function(serval_kernel_sanitizers source)
    if(SERVAL_FUZZ AND source MATCHES "_(baseline|avx[a-z0-9_]*)\\.c$")
        set_property(SOURCE "${source}" APPEND PROPERTY COMPILE_OPTIONS -fno-sanitize=all)
    elseif(SERVAL_SANITIZE STREQUAL "address" AND source MATCHES "_avx[a-z0-9_]*\\.c$")
        set_property(SOURCE "${source}" APPEND PROPERTY COMPILE_OPTIONS
                     -fno-sanitize=alignment,null,object-size,pointer-overflow)
    endif()
endfunction()

# Drops the sources of other architectures from the list named by `var` and gives each of the rest
# the flags of its suffix.
function(serval_kernel_sources var)
    set(kept "")
    foreach(source IN LISTS ${var})
        set(keep TRUE)
        foreach(suffix IN LISTS SERVAL_ISA_SUFFIXES)
            if(source MATCHES "_${suffix}\\.c$")
                if(SERVAL_ISA_${suffix}_arch STREQUAL SERVAL_ARCH)
                    set_source_files_properties("${source}" PROPERTIES
                        COMPILE_OPTIONS "${SERVAL_ISA_${suffix}_flags}")
                else()
                    set(keep FALSE)
                endif()
            endif()
        endforeach()
        serval_kernel_sanitizers("${source}")
        if(keep)
            list(APPEND kept "${source}")
        endif()
    endforeach()
    set(${var} "${kept}" PARENT_SCOPE)
endfunction()

# Loops are worth the heavier optimiser. Predictive commoning is off because it turns the reference
# loops' loads into chains across iterations, which then no longer vectorise. Scheduling before
# registers are given out is off (gcc has it on for arm64 alone), because it moves loads so far ahead
# that the accumulators of the largest tiles no longer fit in registers.
function(serval_kernel_options target)
    if(CMAKE_BUILD_TYPE STREQUAL "Release")
        target_compile_options(${target} PRIVATE -O3 -fno-stack-protector)
        if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
            target_compile_options(${target} PRIVATE -fno-predictive-commoning
                                                     -fno-schedule-insns)
        endif()
    endif()
endfunction()
