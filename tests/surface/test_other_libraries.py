"""NumPy's functions and scikit-learn take tensors as they are."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as rl


def test_numpys_functions_take_tensors():
    t, i = rl.tensor([[1.0, 2.0], [3.0, 4.0]]), rl.tensor([1, 2])
    a = t.numpy().copy()
    np.testing.assert_allclose(np.sin(t), np.sin(a))
    np.testing.assert_allclose(np.add(t, np.ones(2)), a + 1)
    np.testing.assert_allclose(np.concatenate([t, t]), np.concatenate([a, a]))
    np.testing.assert_allclose(np.where(t > 2, t, 0), np.where(a > 2, a, 0))
    np.testing.assert_allclose(np.dot(t, t), a @ a)
    assert np.allclose(t, t) and float(np.mean(t)) == 2.5
    assert np.arange(5)[i].tolist() == [1, 2] and ["a", "b"][i[0]] == "b"


def test_array_says_when_it_copies():
    t = rl.tensor([1.0, 2.0])
    assert np.shares_memory(np.array(t, copy=False), np.asarray(t))
    assert not np.shares_memory(np.array(t, copy=True), np.asarray(t))
    assert np.asarray(t, dtype="float64").dtype == np.float64
    with pytest.raises(ValueError, match="copy=False"):
        np.array(t, dtype="float64", copy=False)
    with pytest.raises(RuntimeError, match="requires grad"):
        np.asarray(rl.ones(2, requires_grad=True))


def test_memory_goes_to_and_fro_by_dlpack():
    t, a = rl.tensor([1.0, 2.0]), np.arange(3.0)
    np.testing.assert_array_equal(np.from_dlpack(t), t.numpy())
    back = rl.from_dlpack(a)
    a[0] = 7.0
    assert back.tolist() == [7.0, 1.0, 2.0]
    torch = pytest.importorskip("torch")
    theirs = torch.from_dlpack(t)
    t.add_(1)
    assert theirs.tolist() == [2.0, 3.0] and rl.from_dlpack(torch.ones(2)).tolist() == [1.0, 1.0]


@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_takes_tensors():
    pytest.importorskip("sklearn")
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_score, recall_score
    from sklearn.model_selection import KFold, train_test_split
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    rl.manual_seed(0)
    x = rl.randn(40, 3)
    y = (x[:, 0] > 0).long()
    assert LogisticRegression(C=1e6).fit(x, y).score(x, y) == 1.0
    assert SVC(kernel="linear", C=1e3).fit(x, y).predict(x).tolist() == y.tolist()
    guess = rl.where(rl.arange(40) < 4, 1 - y, y)
    assert accuracy_score(y, guess) == 0.9 and confusion_matrix(y, guess).sum() == 40
    for score in (precision_score, recall_score, f1_score):
        assert score(y, guess) == score(y.numpy(), guess.numpy())
    train, test = train_test_split(x, test_size=0.2, random_state=42)
    meant = train_test_split(x.numpy(), test_size=0.2, random_state=42)
    assert np.array_equal(np.asarray(train), meant[0]) and np.array_equal(np.asarray(test), meant[1])
    assert [tuple(x[kept].shape) for kept, _ in KFold(2).split(x)] == [(20, 3), (20, 3)]
    np.testing.assert_allclose(StandardScaler().fit_transform(x).mean(0), 0.0, atol=1e-6)
