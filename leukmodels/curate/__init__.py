"""Which training cells bear a label that models of other patients dispute: a patient's label stands on all the cells.

gathering   a collection -> the cells of its training patients, and of nobody else
folds       which patients train, which choose the epoch, which are asked about
asking      out-of-fold probabilities: every cell is judged by models that never saw its patient
ranking     whose label is disputed most
listing     the list of disputed cells, written and read
sheet       their pictures
"""
