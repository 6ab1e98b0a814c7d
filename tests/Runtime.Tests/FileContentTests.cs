using System.IO.Hashing;
using System.Text;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Services.Files;

namespace ChannelSdk.Runtime.Tests;

/// <summary>What both sides of a file copy share: hash, records, the walk over holes.</summary>
public class FileContentTests
{
    private const int Block = ContentHash.BlockSize;

    /// <summary>What the hash's own library says of bytes i * i * 31 + i * 7 + i / 256, at both sides of each bound between its ways.</summary>
    [Theory]
    [InlineData(0, 0x2D06800538D394C2UL)]
    [InlineData(1, 0xC44BDFF4074EECDBUL)]
    [InlineData(2, 0x9AAF71D6A8C4DA34UL)]
    [InlineData(3, 0x1729C78F56EC7369UL)]
    [InlineData(4, 0xE5097D6D2A406DDEUL)]
    [InlineData(5, 0xF525743D9E4F4603UL)]
    [InlineData(8, 0x89B9B1111ECD5976UL)]
    [InlineData(9, 0x442F901347EAC6D7UL)]
    [InlineData(16, 0x3E094AB84274D7E2UL)]
    [InlineData(17, 0xF023CE206C53CB88UL)]
    [InlineData(32, 0x4E0F827A00305880UL)]
    [InlineData(33, 0xCE95CB88847D6102UL)]
    [InlineData(64, 0x5926C2C628B8BD40UL)]
    [InlineData(65, 0x0BC4C752A7C50505UL)]
    [InlineData(96, 0xBEF5DF716E3026DEUL)]
    [InlineData(97, 0xC04301A5FBA9D36AUL)]
    [InlineData(128, 0x74CC793E51CBBF70UL)]
    [InlineData(129, 0x896BC9B5EE9A02DEUL)]
    [InlineData(160, 0xEB4D404DD889DC60UL)]
    [InlineData(240, 0x168AC2EEA3381B59UL)]
    [InlineData(241, 0x5F15F12E172B51FAUL)]
    [InlineData(256, 0x2D280775D960610DUL)]
    [InlineData(257, 0xBE8A1E34A0E24C0EUL)]
    [InlineData(1024, 0x6049ADEDBB22283EUL)]
    [InlineData(1025, 0x63C9FC3D4DC27985UL)]
    [InlineData(1088, 0x3A30D490217021B3UL)]
    [InlineData(65536, 0x901DC3AFE8C07815UL)]
    [InlineData(131071, 0x99E34ABAEFA611CFUL)]
    [InlineData(131072, 0x3CDF6B51A6D515E8UL)]
    public void The_hash_is_the_published_one(int length, ulong hash) => Assert.Equal(hash, XxHash3.HashToUInt64(Pattern(length)));

    /// <summary>Made from the library's hashes as files.proto says.</summary>
    [Fact]
    public void The_hash_of_a_whole_content_is_the_contracts()
    {
        ContentHash hash = default;
        var content = Pattern(Block + 5);

        hash.Append(content.AsSpan(0, Block));
        hash.Append(content.AsSpan(Block));

        Assert.Equal(0x3AF17140F7754E77UL, hash.Finish());
    }

    [Fact]
    public void The_hash_of_a_number_that_goes_on_from_a_state_is_the_published_one() =>
        Assert.Equal(0xF42DC97AE127B555UL, XxHash3.HashToUInt64(BitConverter.GetBytes(0x0123456789ABCDEFUL), 0x1122334455667788));

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Block)]
    [InlineData(3 * Block + 77)]
    public void A_hole_hashes_as_zeros(int length)
    {
        ContentHash hole = default, zeros = default;
        hole.AppendZeros(length);
        for (var left = length; left > 0; left -= Block)
        {
            zeros.Append(new byte[Math.Min(Block, left)]);
        }

        Assert.Equal((zeros.Finish(), (long)length), (hole.Finish(), hole.Length));
    }

    [Fact]
    public void Order_and_length_change_the_whole_hash()
    {
        byte[] one = new byte[Block], two = new byte[Block];
        two[7] = 1;
        ContentHash a = default, b = default;
        a.Append(one);
        a.Append(two);
        b.Append(two);
        b.Append(one);
        Assert.NotEqual(a.Finish(), b.Finish());
        Assert.NotEqual(default(ContentHash).Finish(), a.Finish());
    }

    [Theory]
    [InlineData(FileRecordKind.Data, 2 * Block, Block, 4 * Block, true)]
    [InlineData(FileRecordKind.Data, 2 * Block, 5, 2 * Block + 5, false)]
    [InlineData(FileRecordKind.Hole, Block, 2 * Block, 4 * Block, false)]
    [InlineData(FileRecordKind.Hole, Block, 2 * Block + 1, 3 * Block + 1, false)]
    [InlineData(FileRecordKind.End, 77, 0, 77, false)]
    public void A_record_reads_as_it_was_written(FileRecordKind kind, long offset, long length, long size, bool hasHoles)
    {
        var record = new FileRecord(kind, offset, length, kind == FileRecordKind.Hole ? 0 : 0xFEDCBA9876543210, hasHoles);
        var message = new byte[FileRecord.HeaderSize + (kind == FileRecordKind.Data ? length : 0)];
        record.WriteTo(message);
        Assert.Equal(record, FileRecord.Read(message, offset, size));
    }

    [Theory]
    [InlineData(FileRecordKind.Data, 0, Block, 2 * Block, Block)]
    [InlineData(FileRecordKind.Data, 0, 100, Block, 100)]
    [InlineData(FileRecordKind.Data, 0, Block, 100, Block)]
    [InlineData(FileRecordKind.Hole, 0, 100, Block, 0)]
    [InlineData(FileRecordKind.Hole, 0, 2 * Block, Block, 0)]
    [InlineData(FileRecordKind.Hole, 0, -Block, Block, 0)]
    [InlineData(FileRecordKind.Hole, 0, 0, Block, 0)]
    [InlineData(FileRecordKind.Hole, 0, Block, Block, 8)]
    [InlineData(FileRecordKind.End, 0, 0, Block, 0)]
    [InlineData((FileRecordKind)0, 0, 0, Block, 0)]
    [InlineData((FileRecordKind)4, 0, 0, Block, 0)]
    public void A_record_that_cannot_come_next_is_refused(FileRecordKind kind, long offset, long length, long size, int data)
    {
        var message = new byte[FileRecord.HeaderSize + data];
        new FileRecord(kind, offset, length, 1, false).WriteTo(message);
        var expected = kind == FileRecordKind.Data && data == Block && size == 2 * Block ? Block : 0;
        Assert.Equal(ChannelError.InvalidArgument, Assert.Throws<ChannelException>(() => FileRecord.Read(message, expected, size)).Code);
    }

    [Fact]
    public void Records_in_one_message_are_read_one_after_the_other()
    {
        var message = new byte[FileRecord.HeaderSize + FileRecord.MaxLength];
        var hole = new FileRecord(FileRecordKind.Hole, 0, Block, 0, false);
        var data = new FileRecord(FileRecordKind.Data, Block, Block, 7, true);
        hole.WriteTo(message);
        data.WriteTo(message.AsSpan(FileRecord.HeaderSize));

        Assert.Equal(hole, FileRecord.ReadFirst(message, 0, 3 * Block));
        Assert.Equal(data, FileRecord.ReadFirst(message.AsSpan(hole.Bytes), Block, 3 * Block));
        Assert.Equal(message.Length, hole.Bytes + data.Bytes);
        Assert.Throws<ChannelException>(() => FileRecord.Read(message, 0, 3 * Block));
    }

    [Fact]
    public void Every_message_of_random_bytes_is_refused_or_stays_within_the_file()
    {
        var random = new Random(4);
        for (var i = 0; i < 20_000; i++)
        {
            var message = new byte[random.Next(0, 64)];
            random.NextBytes(message);
            if (message.Length >= 16)
            {
                message[0] %= 5;
                message.AsSpan(1, 15).Clear();
                message[4] = (byte)Math.Max(0, message.Length - FileRecord.HeaderSize);
            }

            long size = random.Next(0, 100);
            try
            {
                var record = FileRecord.ReadFirst(message, 0, size);
                Assert.InRange(record.Offset + record.Length, 0, size);
            }
            catch (ChannelException e)
            {
                Assert.Equal(ChannelError.InvalidArgument, e.Code);
            }
        }
    }

    /// <summary>Each letter is half a block, d for data and h for a hole; what comes out is a block a letter, s for a data block with a hole in it.</summary>
    [Theory]
    [InlineData("dddd", "dd")]
    [InlineData("hhhh", "hh")]
    [InlineData("hhhhdd", "hhd")]
    [InlineData("ddhhhh", "dhh")]
    [InlineData("hd", "s")]
    [InlineData("dh", "s")]
    [InlineData("dhhhhd", "shs")]
    [InlineData("ddhddh", "dss")]
    [InlineData("ddd", "dd")]
    [InlineData("hhh", "hh")]
    [InlineData("d", "d")]
    [InlineData("", "")]
    public void The_walk_finds_blocks_and_holes(string content, string blocks)
    {
        const int half = Block / 2;
        long Find(long from, char what)
        {
            for (var at = from; at < content.Length * half; at = (at / half + 1) * half)
            {
                if (content[(int)(at / half)] == what)
                {
                    return at;
                }
            }

            return content.Length * half;
        }

        var walk = new BlockWalk(at => Find(at, 'd'), at => Find(at, 'h'), content.Length * half, 0);
        var found = new StringBuilder();
        long offset = 0;
        while (walk.TryNext(out var record))
        {
            Assert.Equal(offset, record.Offset);
            offset += record.Length;
            found.Append(record.Kind == FileRecordKind.Hole ? 'h' : record.HasHoles ? 's' : 'd', (int)((record.Length + Block - 1) / Block));
        }

        Assert.Equal((blocks, (long)content.Length * half), (found.ToString(), offset));
    }

    private static byte[] Pattern(int length)
    {
        var bytes = new byte[length];
        for (var i = 0; i < length; i++)
        {
            bytes[i] = (byte)(i * i * 31 + i * 7 + (i >> 8));
        }

        return bytes;
    }
}
