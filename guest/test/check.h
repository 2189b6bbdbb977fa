/* A test program is a list of functions named as what they promise. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                               \
  do                                                                                                                   \
    if (!(condition))                                                                                                  \
      {                                                                                                                \
        fprintf (stderr, "%s:%d: %s: not so: %s\n", __FILE__, __LINE__, __func__, #condition);                         \
        exit (1);                                                                                                      \
      }                                                                                                                \
  while (0)

#define TEST(function)                                                                                                 \
  do                                                                                                                   \
    {                                                                                                                  \
      function ();                                                                                                     \
      printf ("ok %s\n", #function);                                                                                   \
    }                                                                                                                  \
  while (0)
