"""What texts say in their own words, as sparse vectors: names and terms that meaning blurs."""

from collections.abc import Iterable

import numpy as np
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import TfidfVectorizer

RAREST = 2  # texts; a word of one text has nothing in common with any
COMMONEST = 0.5  # of the texts; a commoner word says nothing


def words_of(texts: Iterable[str]) -> csr_array:
    """The words of each text by TF-IDF, (n, v) float32 unit rows; zeros for a text that shares no word with another."""
    texts = list(texts)
    weigher = TfidfVectorizer(min_df=RAREST, max_df=COMMONEST, sublinear_tf=True, dtype=np.float32)
    try:
        return csr_array(weigher.fit_transform(texts))
    except ValueError:  # no word is left that some, but not most, of them share
        return csr_array((len(texts), 1), dtype=np.float32)
