--- The names of what fit calls callbacks for, in the order of init.lua, which says when.
return {
  "on_train_begin", "on_restore", "on_epoch_begin", "on_batch_begin", "on_loss", "on_batch_end", "on_evaluate_begin",
  "on_epoch_end", "on_evaluate_end", "on_save_point", "on_train_end",
}
