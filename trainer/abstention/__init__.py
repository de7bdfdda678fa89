"""How far a model's probabilities can be trusted: arrays in, numbers out.

folds              parts of the validation images, so that none is judged by what was fitted on it
calibration_error  probabilities against the fraction of predictions that are right
coverage           the error among the most certain images
reliability        all of this for one model file, as metrics.json has it
"""
