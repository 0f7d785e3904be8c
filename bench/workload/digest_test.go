package workload_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/scbr/scbr/bench/workload"
	"github.com/stretchr/testify/require"
)

// digest holds what the generators that define the workloads wrote.
type digest struct {
	name    string
	seed    uint64
	n       int // of filters, and as many events
	filters string
	events  string
}

// digests were made with
//
//	abgen -w NAME -seed SEED -n N -e N -o .                   sha256sum NAME_N.subs NAME.events
//	python3 scbr_workloads.py . bench/dataset/p10k.txt N N    sha256sum NAME.sN NAME.pN
//
// with Go 1.26 and CPython 3.11 on amd64. 30,000 goes three times round the sample of publications.
var digests = []digest{
	{"A", 42, 1, "f74a1319fe7f6ea23b6110181c3342cb62b0863d37c4e9d642a21e4ed8427817", "63cfa3381b640ee96f4277492bf9559224bc85d939db78d0925604de0a941c75"},
	{"A", 42, 1000, "6b1d1b0cabdf39c7471e0ab08d1ee2df6fd8496681fe5d25a5ed3cbd505a1383", "577861026f2cf489a98b0d541e7ea28b31088de81cac02fa5eee15fbec0b00b0"},
	{"A", 42, 30000, "5e6b0398ad99b719951db6fec2894092491470f64300bf405fb1b08e6e2fef6b", "527c11997035b9ece97e2bb3d1bd69e574efbd693b0027031b2f3ca90b07d7f3"},
	{"A", 7, 1, "37837889a9ee1d558c687c1aa5a88ee7c98733e61ad8b7ac559c37820b86bfa1", "621adacdd1b633a5d996c9ffceac54bdc330a22fbab0f08cf4dbbc2f744b9e58"},
	{"A", 7, 1000, "83e27b8f6db93d2295c45989eb4c8c5432d636f9d307480c646727fc2ab3dcea", "fd16f61b697c030f9ef174fd89233b00199b27cef9a79960b7e488f791dea83a"},
	{"A", 7, 30000, "ba628b4711db12fc940624653ad2c11ad96325984e6b8cc584f5cac9f5e79539", "dfcbe47bd632142cd9fe99bc31162a27016f9dac29483bfafc12d55e41bfe347"},
	{"A-zipf", 42, 30000, "5e6b0398ad99b719951db6fec2894092491470f64300bf405fb1b08e6e2fef6b", "2e4fc4476cf9de87a5c250b037b1e4180f32dfc85d73d4f8360afb111602ded8"}, // filters are A's; events of this package
	{"B", 42, 1, "efb2596b1a169f369dbc8835e6a70449e99258dd67c3268db951387a9994a130", "e85eaf720779525704aec7f25179a768b64095594cdcfa6a71940332a4bbce70"},
	{"B", 42, 1000, "d3f6cebde60205a78b9f78f0150999ae9680877fe2b03e2161df7462ba3098cc", "d08beca4b109e2a14904c8bfd22b37ad12419ddfff7f09c0e480990333cc3fcf"},
	{"B", 42, 30000, "71a2f114d603cceb734e70cef65d9b05ebadcde1512f165eeb061ac642f1be86", "477763f649040a0e69335cbcac4a501d0e703b69453a82cf2049fb71436ab6ef"},
	{"B", 7, 1, "244d48792e12c9fd43bcb66516553b52bdf04ea789900a415a8373092aaf2b56", "5fd17d02307dfbcb61d879346139a9c400c7b719e3d7df603150bb9662d2dcc2"},
	{"B", 7, 1000, "ef38354e52c648c9ea07b22996d9900befcc7e6d690a6df9750e12f547156d71", "c3ad9dcd09395611d88047b930ec2a4e8340a022fb64a1d9f792870c15f4f8ee"},
	{"B", 7, 30000, "ecf2a0a386945fbeba3261b9c20a0f097b02eae1709eb4a897c4d78373113a8d", "b5c7a9b3b8482214e99a690d70219d08a27b2d80a907dcd629d0137d06d11a3c"},
	{"e100a1", 42, 1, "b5b4c4ded55eb37ce12b7424b8477ee8185abb5a707ac4590daede82ac2c94ac", "5ad0bc1520f4d595cb71cd9313d38af2029ab7d58d28bf580a69a1528f438908"},
	{"e100a1", 42, 1000, "40a4c6ff8fe66c77a47aa07662749d625be8598ee48250e8e7dcdb65d121419a", "18bfa7d82818cb892a5376bf2e2ace98b8ff73fb4dfa9d879620362a72203b24"},
	{"e100a1", 42, 30000, "dd2fba5951c085c57cc6435a48fafcbf47c3b39fb598c8b684d4954226c7d1a3", "851ed79cdffe102322ba7e153073bec062ed6095771177d68207f9d2afcf1233"},
	{"e80a1", 42, 1, "2f94f23365edc8f4936d8a56599d5d7553c67c26efe54208c77e6994a25a7e6b", "5ad0bc1520f4d595cb71cd9313d38af2029ab7d58d28bf580a69a1528f438908"},
	{"e80a1", 42, 1000, "43b468befdfca0a4b6b25d741bf281a065b993ee795bedff62c402c7b7968277", "18bfa7d82818cb892a5376bf2e2ace98b8ff73fb4dfa9d879620362a72203b24"},
	{"e80a1", 42, 30000, "de9f5a5d20efeb7ee9665e5086c138ae0125bc632fba1f74b4cbb58b0ce9e168", "851ed79cdffe102322ba7e153073bec062ed6095771177d68207f9d2afcf1233"},
	{"e80a2", 42, 1, "b2770abab956d2558ea68dcb41ce3a4f489496228883c3164bf005a55ce21896", "5db5be60bde95418420833ed910fd4d4368da34d7711fdd8cbd3c1015ef09453"},
	{"e80a2", 42, 1000, "68c394e3d2804c6ca746868fb4b3f07f00d60031e9fee1659a00c9f192a66e54", "2d733a138163494eedd988b6205345ac7c4a40ccb132d98355c7911a413da8ff"},
	{"e80a2", 42, 30000, "1272bd47b496745f9b0d1cbec550a19f407f5ff4113029b04920f8dc1009fb8c", "d6487cffcf75b925f94d6da1ef7fdb5254e6f6d3245aa42451c669dcd8a6455e"},
	{"e80a4", 42, 1, "fd4c1cb3b630d9eadbcf1f7a0e8dc723a642e5bb7cf8ab460912d64fd9937ff9", "4f9d230e62f79ea0f1cbbfdbc42ec688021e519523894850180e54280996a900"},
	{"e80a4", 42, 1000, "9e627d6fa64b63449e5f6b51e743c73a8b24ab82ccc5b5ebb567b15ab112616e", "cff251a9bdbb0dd598c98cd7143da1e265098eb11b58f41b5ec4546b89923a13"},
	{"e80a4", 42, 30000, "73dcbb9c6bdde94823b268a0812f3bc2b4f14096ab67babe5d6cf3744b257740", "5e5a04932fdfaeb1e9a2efe47105db261b4e17b6d6b69805de666b2dbf039970"},
	{"extsub2", 42, 1, "7565f4952b5623b51047f8b8278a92cfdd6693d36d9c5265491ec2f56d4a6308", "f3a112d07f568c51413257a8052e1b26575a3dc4f79d2f9b0b51f0342704121c"},
	{"extsub2", 42, 1000, "7584833ba123f62d481c991adcdaa8da8a4023b4219bfb057164e2ee248d29f5", "8140d38b5390a5270fd45f1bd08842f74a21daa7e352908c67b60428f5db2d8d"},
	{"extsub2", 42, 30000, "a3796c79c51d483102bd6f3d4d178b99b6df8e51af79d321c1f71bc300461db6", "cef8d45035b41aaa5c0a21fd6cb7749205f4a01aad532c4a212c179567c62942"},
	{"extsub4", 42, 1, "9000581d511cfd65f67d929f66d6f54413107a60f98f1fe499f6fd5aa5761e85", "06abdb3fa3096b5681a52a6538ca2e4c69c41b4df63dbe6241209d74274b09e2"},
	{"extsub4", 42, 1000, "f1dbe1d21735c4356304509942181f0940226e424c278428cdb80a987cf64246", "388774d8361fee02346da07a7fbc5885509d040403aa1707f5e270ea185b5dd6"},
	{"extsub4", 42, 30000, "e9a802eaaa9f5fb79a6db36e90d255d7afb08501d6c513e0bf7ac71b29b0d6ed", "0a6f9c7bbb094368682bf731017427bb5816e65f81a960af3b6f27c8730e9cfe"},
	{"e80a1z100", 42, 1, "272ebc99284222d9cbdf1ba77782d9fd355b5ab58929bc1cd9ce967f62bd15f3", "5ad0bc1520f4d595cb71cd9313d38af2029ab7d58d28bf580a69a1528f438908"},
	{"e80a1z100", 42, 1000, "8308bfbff2c903bd9af1158e5a58dd7ed468fe5b3eac5a0a5ceaf8b886f96987", "18bfa7d82818cb892a5376bf2e2ace98b8ff73fb4dfa9d879620362a72203b24"},
	{"e80a1z100", 42, 30000, "a1146ce9dc3d044f765d3475f36736980b34eb909ed15971b36f49b02e5575a7", "851ed79cdffe102322ba7e153073bec062ed6095771177d68207f9d2afcf1233"},
	{"e80a1zz100", 42, 1, "c6c4e4f3b0368f1c02e1ac9914f911e0fca3dd7a26b4a420cdb3f0fd1b82632f", "591857ace70122a1ba28ff3b2c0ca8a3d7e5d1e4074b327ffcff3d6a81e9bb84"},
	{"e80a1zz100", 42, 1000, "f188a4e8401a420172b2a3bfa4da5db5e20ef329f678cefd7f86cf4cfd4a67fe", "83a0fafa9554e2bdac98ba9b5bb0d49f8de750b0cee896af1e80466fda344959"},
	{"e80a1zz100", 42, 30000, "5e721fb9e93f9ca38d983843d7119e0c0d7bcfe5e8e6c20c5409091adee93628", "a15864fbfe7d6fa156f85f9e50e9a7a608b4a1f0539ddb94ea0848c4df669bb5"},
	{"e100a1zz100", 42, 1, "f66792b7e25b4f274b5fdf8b5390f1f40143cedc7e2d902a5f99a3db13345f8f", "40a90128be7bf9867fee25ec8f67085b5312a4a78cba6b98fc842ec37ead3691"},
	{"e100a1zz100", 42, 1000, "51222c041595d0b7faa9e4b431998f1bf639fb5b042f0eea31b1c691239a6a9b", "e239595f45bc5e60331c4510311f25e6e2c2287ee1f13776e7fd540b2905f9d6"},
	{"e100a1zz100", 42, 30000, "ea611af0dd2e43d13c5fecc0275921d27d066c049466009d3dfae933abf65b72", "34717f332e23fc279f8c30b17106fe30e32f2fbc1f0596dab6de077e022d8f92"},
}

// schemas are the digests of NAME.schema of the same runs of abgen.
var schemas = map[string]string{
	"A":      "07939e6189789c0a6b5aa03461d884fed19cdce30e6d87845bb43c0e4f69e27e",
	"A-zipf": "07939e6189789c0a6b5aa03461d884fed19cdce30e6d87845bb43c0e4f69e27e",
	"B":      "fc8247550ff28e2577c312f6fc9c7bffc12fb9a845f0804e2a7fafa57d6b5fae",
}

func TestBytesAreThoseOfTheReference(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range digests {
		seen[d.name] = true
		t.Run(fmt.Sprintf("%s/%d/%d", d.name, d.seed, d.n), func(t *testing.T) {
			t.Parallel()
			filters, events := sha256.New(), sha256.New()
			require.NoError(t, workload.WriteFilters(filters, d.name, d.n, d.seed))
			require.NoError(t, workload.WriteEvents(events, d.name, d.n, d.seed))
			require.Equal(t, d.filters, hex.EncodeToString(filters.Sum(nil)), "filters")
			require.Equal(t, d.events, hex.EncodeToString(events.Sum(nil)), "events")
		})
	}
	for _, name := range workload.Names() {
		require.True(t, seen[name], name)
	}
}

func TestSchemas(t *testing.T) {
	for _, name := range workload.Names() {
		h := sha256.New()
		err := workload.WriteSchema(h, name)
		if want, ok := schemas[name]; ok {
			require.NoError(t, err)
			require.Equal(t, want, hex.EncodeToString(h.Sum(nil)), name)
			continue
		}
		require.ErrorIs(t, err, workload.ErrNoSchema)
	}
}
