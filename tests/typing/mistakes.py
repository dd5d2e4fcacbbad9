"""Deliberate mistakes, and in the comments what mypy says of each. Never imported."""

import rushlight as torch
import rushlight.nn.functional as F
from rushlight import nn
from rushlight.utils.data import DataLoader

x = torch.ones(2, 3)

nn.Liner(3, 4)  # error: Module has no attribute "Liner"
torch.onse(3)  # error: Module has no attribute "onse"
F.rellu(x)  # error: Module has no attribute "rellu"
torch.linalg.svdd(x)  # error: Module has no attribute "svdd"
optimizer = torch.optim.Adma  # error: Module has no attribute "Adma"
room = torch.utils.dta  # error: Module has no attribute "dta"
x.copy()  # error: "Tensor" has no attribute "copy"
x.astype("float32")  # error: "Tensor" has no attribute "astype"
x.sum().itme()  # error: "Tensor" has no attribute "itme"
torch.ones("3")  # error: Argument 1 to "ones" has incompatible type "str"
torch.zeros(3, dtype="float32")  # error: Argument "dtype" to "zeros" has incompatible type "str"
torch.add(x, "1")  # error: Argument 2 to "add" has incompatible type "str"
torch.cat(x, x)  # error: Argument 2 to "cat" has incompatible type "Tensor"; expected "int"
torch.gather(x, 1)  # error: Missing positional argument "index" in call to "gather"
x.cumsum(dimension=0)  # error: Unexpected keyword argument "dimension" for overloaded function "cumsum"
x.add(1, alfa=2)  # error: Unexpected keyword argument "alfa" for "add" of "Tensor"
x.view("a")  # error: Argument 1 to "view" of "Tensor" has incompatible type "str"
total = x + "1"  # error: Unsupported operand types for + ("Tensor" and "str")
F.cross_entropy(x)  # error: Missing positional argument "target" in call to "cross_entropy"
F.softmax(x, dim="1")  # error: Argument "dim" to "softmax" has incompatible type "str"
nn.Linear("3", 4)  # error: Argument 1 to "Linear" has incompatible type "str"; expected "int"
nn.Linear(3)  # error: Missing positional argument "out_features" in call to "Linear"
x.shape = x.shape  # error: Property "shape" defined in "Tensor" is read-only
x.grad = 0.0  # error: Incompatible types in assignment (expression has type "float", variable has type "Tensor | None")
values, indices, more = torch.sort(x)  # error: Need more than 2 values to unpack
best = x.max(1).value  # error: "max" has no attribute "value"
torch.equal(x, x).all()  # error: "bool" has no attribute "all"
length: str = x.size(0)  # error: Incompatible types in assignment (expression has type "int", variable has type "str")
shape: list[int] = x.shape  # error: Incompatible types in assignment (expression has type "Size"
number: int = x.sum()  # error: Incompatible types in assignment (expression has type "Tensor", variable has type "int")
for part in x.split(1):
    part.appendd(x)  # error: "Tensor" has no attribute "appendd"
torch.manual_seed()  # error: Missing positional argument "seed" in call to "manual_seed"
DataLoader()  # error: Missing positional argument "dataset" in call to "DataLoader"
anything = nn.Linear(3, 4).train().in_feature.nope  # a module answers for any name: no error
