# Twelve noisy labels at ratio 0.3 (tools/make_noisy_labels.py), WST.
_base_ = './12seeds.py'

train_dataloader = dict(
    dataset=dict(
        seed_root='data/shapes/noisy',
        seed_dirs=[
            'noise0.3_00',
            'noise0.3_01',
            'noise0.3_02',
            'noise0.3_03',
            'noise0.3_04',
            'noise0.3_05',
            'noise0.3_06',
            'noise0.3_07',
            'noise0.3_08',
            'noise0.3_09',
            'noise0.3_10',
            'noise0.3_11',
        ],
    )
)
