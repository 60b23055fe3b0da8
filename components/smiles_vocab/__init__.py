"""SmilesVocab: the sorted distinct tokens of all molecules."""
