"""Small problems whose best answers are known exactly, and the learners that explore in them."""
