#include "tape.h"

#include <string.h>

#include "../base/denormals.h"
#include "../kernels/kernels.h"

/* Where the gradient of an input goes: to the node that made it, or to a leaf, or nowhere (both NULL). */
struct edge {
  struct fnn_node *node;
  struct fnn_tensor *leaf;
};

static int leads_somewhere(const struct edge *edge) { return edge->node || edge->leaf; }

/* A tensor that backward reads, as it was when it was saved. */
struct saved {
  struct fnn_tensor *tensor; /* an alias without history, or NULL */
  uint64_t version;
};

/* One block of memory: the node, then its arrays, then the op's parameters. */
struct fnn_node {
  struct fnn_history history; /* first: a tensor's history is a node */
  struct fnn_context *context;
  uint64_t sequence; /* above that of every node it came from */
  const char *name;
  const struct fnn_op *op;     /* NULL for a custom op, */
  struct fnn_lanes lanes;      /* of the call */
  struct fnn_foreign *foreign; /* which has this */
  int spent;                   /* went through a pass that did not keep it */
  struct fnn_tensor *grad;     /* what arrived so far in the pass that is going on */
  struct fnn_pass *pass;       /* that pass, or NULL */
  struct fnn_node *next;       /* for drop */
  size_t inputs;
  struct edge *edge;
  struct fnn_spec *spec;
  struct saved *in;
  struct saved out[FNN_MAX_OUTPUTS];
  void *params;
};

/* ---- life of a node ---- */

static size_t round_up(size_t bytes) { return (bytes + 15) / 16 * 16; }

static void forget_saved(struct saved *saved) {
  fnn_tensor_release(saved->tensor);
  saved->tensor = NULL;
}

static void forget_all_saved(struct fnn_node *node) {
  for (size_t i = 0; i < node->inputs; i++) forget_saved(&node->in[i]);
  for (int i = 0; i < FNN_MAX_OUTPUTS; i++) forget_saved(&node->out[i]);
  if (node->foreign) node->foreign->release(node->foreign);
  node->foreign = NULL;
}

/* Free a node and whatever it alone kept. A loop, not a recursion: graphs are as deep as their training loops are careless. */
static void drop(struct fnn_history *history) {
  struct fnn_node *list = (struct fnn_node *)history;
  list->next = NULL;
  while (list) {
    struct fnn_node *node = list;
    list = node->next;
    forget_all_saved(node);
    fnn_tensor_release(node->grad);
    for (size_t i = 0; i < node->inputs; i++) {
      struct fnn_node *from = node->edge[i].node;
      fnn_tensor_release(node->edge[i].leaf);
      if (!from || --from->history.references > 0) continue;
      from->next = list;
      list = from;
    }
    fnn_free(node->context, node);
  }
}

static enum fnn_status node_new(struct fnn_context *context, size_t inputs, size_t params_bytes,
                                struct fnn_node **out) {
  size_t edges = round_up(inputs * sizeof(struct edge)), specs = round_up(inputs * sizeof(struct fnn_spec));
  size_t saves = round_up(inputs * sizeof(struct saved)), head = round_up(sizeof(struct fnn_node));
  char *block = fnn_alloc(context, head + edges + specs + saves + params_bytes);
  if (!block) return FNN_NO_MEMORY;
  memset(block, 0, head + edges + specs + saves);
  struct fnn_node *node = (struct fnn_node *)block;
  node->history = (struct fnn_history){1, drop};
  node->context = context;
  node->sequence = ++context->sequence;
  node->inputs = inputs;
  node->edge = (struct edge *)(block + head);
  node->spec = (struct fnn_spec *)(block + head + edges);
  node->in = (struct saved *)(block + head + edges + specs);
  node->params = block + head + edges + specs + saves;
  *out = node;
  return FNN_OK;
}

static void connect(struct fnn_node *node, size_t i, struct fnn_tensor *input) {
  if (!input) return;
  node->spec[i] = (struct fnn_spec){input->dtype, input->shape};
  if (!input->requires_grad) return;
  node->edge[i].node = (struct fnn_node *)input->history;
  if (input->history)
    input->history->references++;
  else
    node->edge[i].leaf = fnn_tensor_retain(input);
}

static void attach(struct fnn_node *node, struct fnn_tensor *output) {
  output->requires_grad = 1;
  output->history = &node->history;
}

/* ---- recording ---- */

static enum fnn_status save(struct saved *saved, const struct fnn_tensor *tensor) {
  if (!tensor) return FNN_OK;
  saved->version = tensor->storage->version;
  return fnn_tensor_alias(tensor, &saved->tensor);
}

static enum fnn_status fill_node(struct fnn_node *node, const struct fnn_call *call, struct fnn_tensor *const *given) {
  const struct fnn_op *op = call->op;
  node->name = op->name;
  node->op = op;
  node->lanes = call->lanes;
  if (op->params_bytes) memcpy(node->params, call->params, op->params_bytes);
  for (size_t i = 0; i < call->inputs; i++) {
    connect(node, i, given[i]);
    if (i < 16 && (op->saves & FNN_SAVE_IN(i))) FNN_TRY(save(&node->in[i], call->in[i]));
  }
  for (int i = 0; i < op->outputs; i++)
    if (op->saves & FNN_SAVE_OUT(i)) FNN_TRY(save(&node->out[i], call->out[i]));
  return FNN_OK;
}

/* `given` are the inputs as they came, before the op's preparation made dense copies of them. */
static enum fnn_status record_call(struct fnn_call *call, struct fnn_tensor *const *given) {
  struct fnn_node *node;
  FNN_TRY(node_new(call->context, call->inputs, call->op->params_bytes, &node));
  enum fnn_status status = fill_node(node, call, given);
  if (status == FNN_OK)
    attach(node, call->out[0]);
  else
    drop(&node->history);
  return status;
}

static int needs_grad(size_t inputs, struct fnn_tensor *const *in) {
  for (size_t i = 0; i < inputs; i++)
    if (in[i] && in[i]->requires_grad) return 1;
  return 0;
}

static enum fnn_status apply_and_record(struct fnn_call *call, struct fnn_tensor *over) {
  struct fnn_tensor *inline_given[FNN_INLINE_INPUTS] = {0}, **given = inline_given;
  if (call->inputs > FNN_INLINE_INPUTS) {
    given = fnn_alloc(call->context, call->inputs * sizeof *given);
    if (!given) return FNN_NO_MEMORY;
  }
  for (size_t i = 0; i < call->inputs; i++) given[i] = call->in[i] ? fnn_tensor_retain(call->in[i]) : NULL;
  call->recorded = 1;
  enum fnn_status status = fnn_op_run(call, over);
  if (status == FNN_OK && call->out[0]->dtype == FNN_FLOAT32) {
    status = record_call(call, given);
    if (status != FNN_OK) fnn_tensors_release(call->out, FNN_MAX_OUTPUTS);
  }
  fnn_tensors_release(given, call->inputs);
  if (given != inline_given) fnn_free(call->context, given);
  return status;
}

enum fnn_status fnn_apply(struct fnn_call *call, struct fnn_tensor *over, int record) {
  if (record && call->op->backward && needs_grad(call->inputs, call->in)) return apply_and_record(call, over);
  return fnn_op_run(call, over);
}

void fnn_call_release(struct fnn_call *call) {
  fnn_tensors_release(call->in, call->inputs);
  fnn_tensors_release(call->out, FNN_MAX_OUTPUTS);
}

int fnn_is_recorded(const struct fnn_tensor *tensor) { return tensor->requires_grad; }

enum fnn_status fnn_record_foreign(struct fnn_tensor *output, size_t inputs, struct fnn_tensor *const *in,
                                   const char *name, struct fnn_foreign *foreign) {
  struct fnn_node *node;
  FNN_TRY(node_new(fnn_tensor_context(output), inputs, strlen(name) + 1, &node));
  memcpy(node->params, name, strlen(name) + 1);
  node->name = node->params;
  node->foreign = foreign;
  for (size_t i = 0; i < inputs; i++) connect(node, i, in[i]);
  attach(node, output);
  return FNN_OK;
}

/* ---- going back ---- */

/* The nodes whose gradient has begun to arrive wait in a heap, the latest on top. When a node comes to the top, whatever
 * used its output has been done before, so that its gradient is complete. */
struct fnn_pass {
  struct fnn_context *context;
  int keep;
  struct fnn_node *current; /* a custom op that is being asked */
  size_t waiting, room;
  struct fnn_node **heap;
};

static enum fnn_status heap_push(struct fnn_pass *pass, struct fnn_node *node) {
  if (pass->waiting == pass->room) {
    size_t room = pass->room ? pass->room * 2 : 16;
    struct fnn_node **heap = fnn_alloc(pass->context, room * sizeof(struct fnn_node *));
    if (!heap) return FNN_NO_MEMORY;
    if (pass->waiting) memcpy(heap, pass->heap, pass->waiting * sizeof(struct fnn_node *));
    fnn_free(pass->context, pass->heap);
    pass->heap = heap;
    pass->room = room;
  }
  size_t i = pass->waiting++;
  for (; i > 0 && pass->heap[(i - 1) / 2]->sequence < node->sequence; i = (i - 1) / 2)
    pass->heap[i] = pass->heap[(i - 1) / 2];
  pass->heap[i] = node;
  node->history.references++;
  node->pass = pass;
  return FNN_OK;
}

static struct fnn_node *heap_pop(struct fnn_pass *pass) {
  struct fnn_node *top = pass->heap[0], *last = pass->heap[--pass->waiting];
  size_t i = 0;
  for (;;) {
    size_t child = 2 * i + 1;
    if (child >= pass->waiting) break;
    if (child + 1 < pass->waiting && pass->heap[child + 1]->sequence > pass->heap[child]->sequence) child++;
    if (pass->heap[child]->sequence < last->sequence) break;
    pass->heap[i] = pass->heap[child];
    i = child;
  }
  pass->heap[i] = last;
  return top;
}

static void add_run(void *user, size_t n, char *const at[], const size_t stride[]) {
  const struct fnn_elementwise_kernels *k = user;
  k->binary[FNN_BINARY_add](n, (float *)at[1], stride[1], (float *)at[2], stride[2], (float *)at[0], stride[0]);
}

/* out = a + b, all of one shape and layout; out may be a. */
static void add(struct fnn_tensor *a, struct fnn_tensor *b, struct fnn_tensor *out) {
  struct fnn_context *context = fnn_tensor_context(out);
  void *kernels = (void *)context->kernels->elementwise;
  if (out->lanes.count) {
    struct fnn_tensor flat_out = fnn_tensor_flat(out), flat_a = fnn_tensor_flat(a), flat_b = fnn_tensor_flat(b);
    fnn_loop(context, &flat_out.shape, 3, (struct fnn_tensor *[]){&flat_out, &flat_a, &flat_b}, add_run, kernels);
  } else {
    fnn_loop(context, &out->shape, 3, (struct fnn_tensor *[]){out, a, b}, add_run, kernels);
  }
}

/* Nobody else sees this tensor's elements, and they lie one after the other. */
static int is_our_own(const struct fnn_tensor *tensor) {
  return tensor->references == 1 && tensor->storage->references == 1 &&
         (tensor->lanes.count || fnn_tensor_is_contiguous(tensor));
}

/* *total += grad, in the layout of *total; in place if `ours`, else into a new tensor. */
static enum fnn_status accumulate(struct fnn_tensor **total, struct fnn_tensor *grad, int ours) {
  struct fnn_context *context = fnn_tensor_context(grad);
  struct fnn_tensor *ready, *sum = *total;
  struct fnn_lanes lanes = sum->lanes;
  if (fnn_same_lanes(lanes, grad->lanes))
    ready = fnn_tensor_retain(grad);
  else if (lanes.count)
    FNN_TRY(fnn_tensor_laned(grad, lanes, &ready));
  else
    FNN_TRY(fnn_tensor_dense(grad, FNN_FLOAT32, &ready));
  enum fnn_status status = FNN_OK;
  if (!ours)
    status = lanes.count ? fnn_tensor_new_laned(context, &grad->shape, lanes, &sum)
                         : fnn_tensor_new(context, FNN_FLOAT32, &grad->shape, &sum);
  if (status == FNN_OK) add(*total, ready, sum);
  fnn_tensor_release(ready);
  if (status != FNN_OK || ours) return status;
  fnn_tensor_release(*total);
  *total = sum;
  return FNN_OK;
}

static enum fnn_status deliver_to_leaf(struct fnn_tensor *leaf, struct fnn_tensor *grad) {
  if (leaf->grad) {
    FNN_TRY(accumulate(&leaf->grad, grad, 1));
    leaf->grad->storage->version++;
    return FNN_OK;
  }
  if (is_our_own(grad)) {
    leaf->grad = fnn_tensor_retain(grad);
    return FNN_OK;
  }
  FNN_TRY(fnn_tensor_new(fnn_tensor_context(grad), FNN_FLOAT32, &grad->shape, &leaf->grad));
  fnn_tensor_copy(leaf->grad, grad);
  return FNN_OK;
}

static enum fnn_status deliver_to_node(struct fnn_pass *pass, struct fnn_node *node, struct fnn_tensor *grad) {
  if (node->pass && node->pass != pass)
    return fnn_fail(pass->context, FNN_INVALID, "backward: another backward is going through this graph");
  if (!node->grad) {
    FNN_TRY(heap_push(pass, node));
    node->grad = fnn_tensor_retain(grad);
    return FNN_OK;
  }
  return accumulate(&node->grad, grad, is_our_own(node->grad));
}

static enum fnn_status deliver(struct fnn_pass *pass, const struct edge *edge, struct fnn_tensor *grad) {
  if (edge->leaf) return deliver_to_leaf(edge->leaf, grad);
  return edge->node ? deliver_to_node(pass, edge->node, grad) : FNN_OK;
}

static enum fnn_status first_gradient(struct fnn_tensor *root, struct fnn_tensor *given, struct fnn_tensor **grad) {
  struct fnn_context *context = fnn_tensor_context(root);
  char a[FNN_SHAPE_TEXT], b[FNN_SHAPE_TEXT];
  if (!given) {
    if (fnn_tensor_numel(root) != 1)
      return fnn_fail(context, FNN_INVALID,
                      "backward: expected a tensor of one element, or a gradient to begin with, got shape %s",
                      fnn_shape_text(&root->shape, a));
    FNN_TRY(fnn_tensor_new(context, FNN_FLOAT32, &root->shape, grad));
    *fnn_floats(*grad) = 1.0f;
    return FNN_OK;
  }
  if (given->dtype != FNN_FLOAT32 || !fnn_shape_equal(&given->shape, &root->shape))
    return fnn_fail(context, FNN_INVALID, "backward: gradient: expected float32 of shape %s, got %s of shape %s",
                    fnn_shape_text(&root->shape, a), fnn_dtype_name(given->dtype), fnn_shape_text(&given->shape, b));
  return fnn_tensor_alias(given, grad);
}

enum fnn_status fnn_pass_begin(struct fnn_tensor *root, struct fnn_tensor *given, int keep, struct fnn_pass **out) {
  struct fnn_context *context = fnn_tensor_context(root);
  struct fnn_tensor *grad = NULL;
  if (!root->requires_grad)
    return fnn_fail(context, FNN_INVALID, "backward: the tensor does not depend on any that requires a gradient");
  struct fnn_pass *pass = fnn_alloc(context, sizeof *pass);
  if (!pass) return FNN_NO_MEMORY;
  *pass = (struct fnn_pass){.context = context, .keep = keep};
  enum fnn_status status = first_gradient(root, given, &grad);
  if (grad) {
    struct edge start = {(struct fnn_node *)root->history, root->history ? NULL : root};
    status = deliver(pass, &start, grad);
    fnn_tensor_release(grad);
  }
  if (status == FNN_OK)
    *out = pass;
  else
    fnn_pass_end(pass);
  return status;
}

static enum fnn_status check_versions(const struct fnn_node *node) {
  for (size_t i = 0; i < node->inputs + FNN_MAX_OUTPUTS; i++) {
    const struct saved *saved = i < node->inputs ? &node->in[i] : &node->out[i - node->inputs];
    if (saved->tensor && saved->tensor->storage->version != saved->version)
      return fnn_fail(node->context, FNN_INVALID,
                      "backward: a tensor that %s needs was changed in place after it was used", node->name);
  }
  return FNN_OK;
}

/* What backward of one op works with, beside the call. */
struct workspace {
  struct fnn_tensor *in[FNN_INLINE_INPUTS], *grad_in[FNN_INLINE_INPUTS];
  uint8_t want[FNN_INLINE_INPUTS];
};

/* What has arrived for the first input of a node, where that is in the lanes of the node's call. */
static struct fnn_tensor *so_far(const struct fnn_pass *pass, const struct fnn_node *node) {
  const struct fnn_node *source = node->inputs > 0 ? node->edge[0].node : NULL;
  if (!source || source->pass != pass || !source->grad || !node->lanes.count) return NULL;
  return fnn_same_lanes(source->grad->lanes, node->lanes) ? source->grad : NULL;
}

static enum fnn_status run_backward(struct fnn_pass *pass, struct fnn_node *node, struct fnn_call *call) {
  for (size_t i = 0; i < node->inputs; i++) {
    call->in[i] = node->in[i].tensor;
    call->grad_in[i] = NULL;
  }
  for (int i = 0; i < FNN_MAX_OUTPUTS; i++) call->out[i] = node->out[i].tensor;
  double start = pass->context->profile ? fnn_clock() : 0.0;
  if (node->lanes.count)
    FNN_TRY(fnn_tensor_laned(node->grad, node->lanes, &call->grad));
  else if (!node->grad->lanes.count && (node->op->flags & FNN_STRIDED))
    call->grad = fnn_tensor_retain(node->grad);
  else
    FNN_TRY(fnn_tensor_dense(node->grad, FNN_FLOAT32, &call->grad));
  call->out_spec[0] = (struct fnn_spec){FNN_FLOAT32, call->grad->shape};
  fnn_tensor_release(node->grad); /* so that a gradient passed on as it is has one owner */
  node->grad = NULL;
  call->so_far = so_far(pass, node);
  enum fnn_status status = node->op->backward(call);
  if (status == FNN_OK && pass->context->profile) fnn_profile_call(call, "backward", start);
  fnn_tensor_release(call->grad);
  for (size_t i = 0; i < node->inputs && status == FNN_OK; i++)
    if (call->grad_in[i]) {
      struct fnn_tensor *grad = call->grad_in[i];
      call->grad_in[i] = NULL;
      fnn_lanes_clear(grad);
      if (i == 0 && call->added) {
        fnn_tensor_release(node->edge[0].node->grad);
        node->edge[0].node->grad = fnn_tensor_retain(grad);
      } else {
        status = deliver(pass, &node->edge[i], grad);
      }
      fnn_tensor_release(grad);
    }
  fnn_tensors_release(call->grad_in, node->inputs);
  return status;
}

static enum fnn_status backward_of(struct fnn_pass *pass, struct fnn_node *node) {
  struct workspace small;
  uint8_t *want = small.want;
  char *block = NULL;
  struct fnn_call call = {.context = pass->context,
                          .op = node->op,
                          .params = node->params,
                          .inputs = node->inputs,
                          .in_spec = node->spec,
                          .lanes = node->lanes,
                          .in = small.in,
                          .grad_in = small.grad_in};
  FNN_TRY(check_versions(node));
  if (node->inputs > FNN_INLINE_INPUTS) {
    block = fnn_alloc(pass->context, node->inputs * (2 * sizeof(struct fnn_tensor *) + 1));
    if (!block) return FNN_NO_MEMORY;
    call.in = (struct fnn_tensor **)block;
    call.grad_in = call.in + node->inputs;
    want = (uint8_t *)(call.grad_in + node->inputs);
  }
  for (size_t i = 0; i < node->inputs; i++) want[i] = leads_somewhere(&node->edge[i]);
  call.want = want;
  enum fnn_status status = run_backward(pass, node, &call);
  fnn_free(pass->context, block);
  return status;
}

/* The node is done, or given up: it leaves the pass. */
static void leave(struct fnn_pass *pass, struct fnn_node *node) {
  fnn_tensor_release(node->grad);
  node->grad = NULL;
  node->pass = NULL;
  if (!pass->keep) {
    forget_all_saved(node);
    node->spent = 1;
  }
  if (--node->history.references == 0) drop(&node->history);
}

static enum fnn_status run(struct fnn_pass *pass, struct fnn_foreign **foreign, struct fnn_tensor **grad,
                           size_t *inputs) {
  *foreign = NULL;
  if (pass->current) {
    leave(pass, pass->current);
    pass->current = NULL;
  }
  while (pass->waiting > 0) {
    struct fnn_node *node = heap_pop(pass);
    if (node->spent) {
      leave(pass, node);
      return fnn_fail(
          pass->context, FNN_INVALID,
          "backward: a graph serves one backward, and this one is used up; to go through it again, give the first "
          "backward {retain_graph = true}; what one step keeps for the next must be detached (x:detach())");
    }
    if (!node->op) {
      pass->current = node;
      *foreign = node->foreign;
      *grad = node->grad;
      *inputs = node->inputs;
      return FNN_OK;
    }
    enum fnn_status status = backward_of(pass, node);
    leave(pass, node);
    FNN_TRY(status);
  }
  return FNN_OK;
}

enum fnn_status fnn_pass_run(struct fnn_pass *pass, struct fnn_foreign **foreign, struct fnn_tensor **grad,
                             size_t *inputs) {
  fnn_float_mode before = fnn_flush_denormals();
  enum fnn_status status = run(pass, foreign, grad, inputs);
  fnn_float_mode_set(before);
  return status;
}

int fnn_pass_wants(const struct fnn_pass *pass, size_t i) { return leads_somewhere(&pass->current->edge[i]); }

enum fnn_status fnn_pass_answer(struct fnn_pass *pass, size_t i, struct fnn_tensor *grad) {
  struct fnn_node *node = pass->current;
  char a[FNN_SHAPE_TEXT], b[FNN_SHAPE_TEXT];
  if (!grad || !fnn_pass_wants(pass, i)) return FNN_OK;
  if (grad->dtype != FNN_FLOAT32 || !fnn_shape_equal(&grad->shape, &node->spec[i].shape))
    return fnn_fail(pass->context, FNN_INVALID,
                    "backward of %s: gradient %zu: expected float32 of shape %s, got %s of shape %s", node->name, i + 1,
                    fnn_shape_text(&node->spec[i].shape, a), fnn_dtype_name(grad->dtype),
                    fnn_shape_text(&grad->shape, b));
  struct fnn_tensor *own; /* the caller may keep theirs, and it may have a history */
  FNN_TRY(fnn_tensor_alias(grad, &own));
  enum fnn_status status = deliver(pass, &node->edge[i], own);
  fnn_tensor_release(own);
  return status;
}

void fnn_pass_end(struct fnn_pass *pass) {
  if (!pass) return;
  if (pass->current) leave(pass, pass->current);
  while (pass->waiting > 0) leave(pass, pass->heap[--pass->waiting]);
  fnn_free(pass->context, pass->heap);
  fnn_free(pass->context, pass);
}
