# Without weighted selective training (Table 5): the plain average over the seeds, Eq. 4.
_base_ = './deeplabv2_vgg16_12seeds.py'

model = dict(decode_head=dict(loss_decode=dict(rule='plain')))
