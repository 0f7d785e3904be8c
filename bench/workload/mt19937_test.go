package workload

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMersenne follows CPython 3.11: for each seed s, on R = random.Random(s), in this order,
//
//	[R.getrandbits(32) for _ in range(3)]; 1000 more; R.getrandbits(32)
//	R.random(), R.randrange(1), R.randrange(200), R.randint(0, 301000000), R.choice(range(7))
//	x = list(range(6)); R.shuffle(x)
//	R.sample(range(n), k)[-3:] for (n, k) in samples
//	R.getrandbits(32)
func TestMersenne(t *testing.T) {
	// The limits between the two ways of sampling are 21 for k <= 5, 21+64 for k = 6 and 21+256 for k = 64.
	samples := [][2]int{{4, 4}, {21, 3}, {22, 3}, {22, 5}, {85, 6}, {86, 6}, {277, 64}, {278, 64}}
	for _, c := range []struct {
		name   string
		m      *mersenne
		first  [3]uint32
		later  uint32
		random float64
		drawn  []int // randrange(1), randrange(200), randint, choice
		order  []int
		tails  [][]int
		last   uint32
	}{
		{
			"integer 0", newMersenne(0),
			[3]uint32{3626764237, 1654615998, 3255389356},
			764107585, 0.009964241312966027,
			[]int{0, 93, 37858852, 4},
			[]int{4, 2, 3, 0, 5, 1},
			[][]int{{1, 2, 3}, {19, 7, 4}, {5, 14, 3}, {8, 4, 0}, {60, 37, 80}, {23, 75, 10}, {155, 176, 256}, {107, 272, 53}},
			1764391886,
		},
		{
			"integer 12345", newMersenne(12345),
			[3]uint32{1789368711, 3146859322, 43676229},
			3252181464, 0.91002062006814,
			[]int{0, 31, 286215429, 2},
			[]int{2, 5, 4, 1, 3, 0},
			[][]int{{3, 1, 2}, {9, 14, 2}, {2, 12, 4}, {15, 21, 4}, {31, 52, 18}, {49, 1, 59}, {207, 194, 132}, {216, 125, 98}},
			3999241237,
		},
		{
			"largest word", newMersenne(1<<32 - 1),
			[3]uint32{2728839433, 2661025012, 872737089},
			3973226809, 0.07199346086453984,
			[]int{0, 32, 244027284, 2},
			[]int{5, 0, 3, 4, 1, 2},
			[][]int{{2, 3, 1}, {9, 0, 13}, {4, 15, 10}, {20, 2, 18}, {68, 82, 63}, {52, 20, 2}, {251, 212, 69}, {42, 124, 232}},
			2383239376,
		},
		{
			"empty text", newMersenneText(""),
			[3]uint32{4124137760, 1951988028, 2557274880},
			1915596586, 0.6212428106509907,
			[]int{0, 173, 281115301, 0},
			[]int{2, 4, 3, 1, 0, 5},
			[][]int{{3, 0, 1}, {12, 9, 7}, {12, 13, 6}, {2, 14, 19}, {78, 69, 56}, {25, 7, 22}, {57, 161, 212}, {162, 50, 220}},
			3189157843,
		},
		{
			"subs-e80a1", newMersenneText("subs-e80a1"),
			[3]uint32{1010485417, 4048830089, 557574358},
			125517081, 0.07816804322865956,
			[]int{0, 196, 213028214, 2},
			[]int{5, 0, 4, 1, 2, 3},
			[][]int{{3, 1, 2}, {1, 13, 8}, {2, 19, 12}, {6, 9, 13}, {23, 2, 54}, {84, 40, 76}, {154, 220, 131}, {91, 156, 66}},
			3184042618,
		},
		{
			"beyond ASCII", newMersenneText("é"),
			[3]uint32{4161502405, 4038814526, 1787138474},
			2099725585, 0.6445100111575836,
			[]int{0, 59, 217918907, 2},
			[]int{3, 5, 0, 2, 1, 4},
			[][]int{{3, 2, 0}, {20, 14, 6}, {1, 17, 13}, {3, 10, 13}, {7, 6, 2}, {69, 21, 60}, {267, 81, 136}, {116, 128, 144}},
			2654577427,
		},
		{
			"highest words zero", newMersenneText("\x00\x00\x00\x00\x00a"),
			[3]uint32{1423601633, 3588982856, 4023438958},
			2401738876, 0.8984468043398819,
			[]int{0, 144, 17559729, 5},
			[]int{3, 4, 1, 2, 0, 5},
			[][]int{{3, 1, 2}, {2, 1, 0}, {7, 21, 17}, {3, 15, 6}, {0, 62, 33}, {54, 33, 44}, {126, 14, 115}, {232, 60, 56}},
			3805411211,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := c.m
			require.Equal(t, c.first, [3]uint32{m.word(), m.word(), m.word()})
			for range 1000 {
				m.word()
			}
			require.Equal(t, c.later, m.word())
			require.Equal(t, c.random, m.random())
			drawn := []int{m.randrange(1), m.randrange(200), m.randint(0, 301000000), choice(m, []int{0, 1, 2, 3, 4, 5, 6})}
			require.Equal(t, c.drawn, drawn)
			order := []int{0, 1, 2, 3, 4, 5}
			m.shuffle(order)
			require.Equal(t, c.order, order)
			for i, s := range samples {
				picked := m.sample(s[0], s[1])
				require.Len(t, picked, s[1])
				require.Equal(t, c.tails[i], picked[s[1]-3:], s)
			}
			require.Equal(t, c.last, m.word())
		})
	}
}
