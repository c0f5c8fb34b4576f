/*
 * Prints gatun.h as the C compiler sees it: size, alignment and fields of every struct, value of every constant. The
 * layout test of the bindings compares each line with what jextract generated. The list of them is written with the
 * bindings.
 */
#include <stddef.h>
#include <stdio.h>

#include "gatun.h"

/* A number and an address of the same size are told apart; arrays and nested structs are "other". */
#define KIND(member) \
  _Generic((member), double: "f64", int32_t: "i32", int64_t: "i64", void *: "pointer", const void *: "pointer", \
           int64_t *: "pointer", const double *: "pointer", const gatun_tensor *: "pointer", default: "other")

#define STRUCT(type) printf("struct %s %zu %zu\n", #type, sizeof(type), _Alignof(type))
#define FIELD(type, member)                                                                              \
  printf("field %s.%s %zu %zu %s\n", #type, #member, offsetof(type, member), sizeof(((type*)0)->member), \
         KIND(((type*)0)->member))
#define CONSTANT(name) printf("constant %s %lld\n", #name, (long long)(name))

int main(void) {
#include "abi_list.h"
  return 0;
}
