"""SubmissionWriter: predictions to submission.csv."""
