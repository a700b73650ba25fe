"""One file a rule, what rules may ask, and the evaluator that puts their findings together."""
