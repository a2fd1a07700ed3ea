/* Autograd: records ops as they run, and goes back over them.
 *
 * Each op whose inputs need a gradient leaves a node, held by its output (fnn_tensor.history). A node holds what
 * the op's backward reads and edges to the nodes (or leaves) its inputs came from; nothing points forward, so a graph
 * lives exactly as long as the tensors that were computed from it. Going back, a node gives up what it
 * saved as soon as it is done: a training step frees its activations by itself.
 *
 * Only out[0] of an op carries a gradient, so a node has one. A foreign node is one whose backward lives outside the core
 * (a custom op in Lua): the pass stops there and is told the result. */
#ifndef FNN_AUTOGRAD_TAPE_H
#define FNN_AUTOGRAD_TAPE_H

#include "../ops/op.h"

/* Run an op (see fnn_op_run; call->in[] is owned by the call and holds retained tensors) and, if
 * `record` and an input needs a gradient, record it. Errors are the op's, or FNN_NO_MEMORY. The caller ends with
 * fnn_call_release either way. */
enum fnn_status fnn_apply(struct fnn_call *call, struct fnn_tensor *over, int record) FNN_CHECK;

/* Release what a call owns: its inputs and outputs that are still there. */
void fnn_call_release(struct fnn_call *call);

/* Whether a write in place to this tensor would falsify gradients: it is part of a graph or a leaf that needs a gradient. */
int fnn_is_recorded(const struct fnn_tensor *tensor);

/* ---- custom ops ---- */

struct fnn_foreign {
  /* called when the node goes, in the middle of anything: must not fail */
  void (*release)(struct fnn_foreign *foreign);
};

/* Make `output` (which has no history) the result of a custom op on the inputs. Takes `foreign` over on success. */
enum fnn_status fnn_record_foreign(struct fnn_tensor *output, size_t inputs, struct fnn_tensor *const *in,
                                   const char *name, struct fnn_foreign *foreign) FNN_CHECK;

/* ---- going back ---- */

struct fnn_pass;

/* Begin at `root` with the given gradient (NULL: 1, for a tensor of one element). With `keep`, what nodes saved stays for
 * another pass. FNN_INVALID when nothing was recorded, the gradient does not fit or another pass goes through the graph. On
 * success the caller ends *out with fnn_pass_end; on error there is none. */
enum fnn_status fnn_pass_begin(struct fnn_tensor *root, struct fnn_tensor *given, int keep,
                               struct fnn_pass **out) FNN_CHECK;

/* Go on until the end (*foreign is NULL) or until a custom op must be asked: *foreign, its gradient *grad (borrowed)
 * and the number of its inputs. Results that would be denormal are 0 (base/denormals.h). On error (a graph that is used up, a tensor
 * that was changed in place, no memory) the pass can only be ended. */
enum fnn_status fnn_pass_run(struct fnn_pass *pass, struct fnn_foreign **foreign, struct fnn_tensor **grad,
                             size_t *inputs) FNN_CHECK;

/* Whether the custom op's input i needs a gradient. */
int fnn_pass_wants(const struct fnn_pass *pass, size_t i);

/* The answer of the custom op for one input (NULL: none); the tensor is borrowed. FNN_INVALID when it is not a float32 tensor
 * of the input's shape. */
enum fnn_status fnn_pass_answer(struct fnn_pass *pass, size_t i, struct fnn_tensor *grad) FNN_CHECK;

/* End a pass, finished or not; NULL is ignored. */
void fnn_pass_end(struct fnn_pass *pass);

#endif
