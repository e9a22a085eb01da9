"""Train one_layer_rows.net with torch.optim on the digits of scikit-learn; its backward pass is the derived one."""

from pathlib import Path

import torch
from sklearn.datasets import load_digits

import chainrule as cr

net = cr.load(Path(__file__).with_name("one_layer_rows.net"))
step = net.derive(net.parameters).compile("torch", dtype="float32")

torch.manual_seed(0)
pixels, digits = load_digits(return_X_y=True)
X = torch.tensor(pixels / 16, dtype=torch.float32)
Y = torch.nn.functional.one_hot(torch.tensor(digits), 10)
train, test = torch.randperm(len(X)).split([1437, 360])

model = step.module(D_x=64, D_h=32, N_c=10)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(8):
    for rows in train[torch.randperm(len(train))].split(64):
        optimizer.zero_grad()
        loss = model(X[rows], Y[rows])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}: loss {loss.item():.3f}")

predict = net.forward(["Ŷ"], target="torch")
with torch.no_grad():
    found = predict(X=X[test], **dict(model.named_parameters()))["Ŷ"]
print(f"test accuracy {(found.argmax(1) == Y[test].argmax(1)).float().mean():.3f}")
