// SPDX-License-Identifier: BSD-2-Clause
module interop

go 1.26.0

require github.com/mholt/acmez/v3 v3.1.7
