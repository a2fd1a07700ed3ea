--- The losses over probabilities, and what outputs are to them that are not probabilities yet.
return {
  categorical_crossentropy = "logits", cross_entropy = "logits", kullback_leibler_divergence = "logits",
  focal = "logits", binary_crossentropy = "binary_logits",
}
