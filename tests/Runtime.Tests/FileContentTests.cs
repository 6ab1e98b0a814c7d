using System.Text;
using ChannelSdk.Protocol;

namespace ChannelSdk.Runtime.Tests;

/// <summary>What both sides of a file copy share: hash, records, the walk over holes.</summary>
public class FileContentTests
{
    private const int Block = ContentHash.BlockSize;

    [Theory]
    [InlineData("", 0xEF46DB3751D8E999UL)]
    [InlineData("a", 0xD24EC4F1A98C6E5BUL)]
    [InlineData("abc", 0x44BC2CF5AD770999UL)]
    [InlineData("Nobody inspects the spammish repetition", 0xFBCEA83C8A378BF1UL)]
    public void The_hash_is_the_published_one(string text, ulong hash) => Assert.Equal(hash, XxHash64.Hash(Encoding.ASCII.GetBytes(text)));

    [Fact]
    public void A_number_hashes_as_its_bytes() =>
        Assert.Equal(XxHash64.Hash(BitConverter.GetBytes(0x0123456789ABCDEFUL), 42), XxHash64.Hash(0x0123456789ABCDEFUL, 42));

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
}
