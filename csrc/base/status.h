/* What every core function that can fail returns. The text that goes with it
 * stands in the context (see fnn_fail): the core never prints, exits or jumps. */
#ifndef FNN_BASE_STATUS_H
#define FNN_BASE_STATUS_H

enum fnn_status {
  FNN_OK = 0,
  FNN_INVALID,   /* the caller asked for something impossible: shape, type, range, state */
  FNN_NO_MEMORY, /* an allocation failed or would pass the memory limit */
  FNN_IO         /* the outside world failed: file, format of a file */
};

#define FNN_CHECK __attribute__((warn_unused_result))
#define FNN_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* Return at once when `expression` fails. For functions that hold nothing then, or nothing but what their caller
 * releases on failure too: what hangs on an op's call. */
#define FNN_TRY(expression)                 \
  do {                                      \
    enum fnn_status status_ = (expression); \
    if (status_ != FNN_OK) return status_;  \
  } while (0)

#endif
