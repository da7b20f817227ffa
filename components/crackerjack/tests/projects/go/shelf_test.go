package shelf

import "testing"

func TestCountsAddUp(t *testing.T) {
	if Add(1, 2) != 3 {
		t.Fail()
	}
}
