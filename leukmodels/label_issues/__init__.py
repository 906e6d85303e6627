"""Which training cells bear a label that models of other patients dispute: a patient's label stands on all the cells.

reliability      when models may be believed that dispute a label
training_cells   the cells of the training patients, and of nobody else
out_of_fold      probabilities of every cell by models that never saw its patient
ranking          whose label is disputed most: confident learning
listing          the list of disputed cells, written and read
contact_sheet    their pictures
"""
