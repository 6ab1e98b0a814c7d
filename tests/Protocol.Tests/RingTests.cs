using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Seam;

namespace ChannelSdk.Protocol.Tests;

/// <summary>The memory between two processes of which neither believes the other.</summary>
public class RingTests
{
    private const int Capacity = 64 << 10;

    [Fact]
    public void Records_of_any_length_come_out_as_they_went_in_however_the_two_sides_take_turns()
    {
        var random = new Random(1);
        var memory = new ArrayRing(Capacity);
        var (writer, reader) = (new RingWriter(memory), new RingReader(memory, wipes: false));
        var sent = new Queue<byte[]>();
        var (written, waited) = (0, 0);
        while (written < 20_000)
        {
            for (var i = random.Next(20); i > 0; i--)
            {
                var data = new byte[random.Next(random.Next(4) == 0 ? writer.MostData : 200)];
                random.NextBytes(data);
                if (!writer.TryBegin(data.Length, random.Next(2) * 1024, out var room))
                {
                    waited++;
                    break;
                }

                data.CopyTo(room);
                writer.Commit(new SeamRecord { Kind = SeamKind.Message, Call = (uint)written++, Length = data.Length });
                sent.Enqueue(data);
            }

            writer.Publish();
            for (var i = random.Next(20); i > 0 && reader.TryPeek(out var record); i--)
            {
                Assert.Equal((uint)(written - sent.Count), record.Call);
                Assert.Equal(sent.Dequeue(), reader.UntrustedData.ToArray());
                reader.Advance();
            }

            reader.Release();
        }

        Assert.True(waited > 100, $"the ring was full {waited} times");
    }

    [Fact]
    public void What_was_read_is_overwritten_where_messages_have_secrets()
    {
        var memory = new ArrayRing(Capacity);
        var (writer, reader) = (new RingWriter(memory), new RingReader(memory, wipes: true));
        Assert.True(writer.TryBegin(100, 0, out var data));
        data.Fill(0xA5);
        writer.Commit(new SeamRecord { Kind = SeamKind.Message, Length = 100 });
        writer.Publish();
        Assert.True(reader.TryPeek(out _));
        Assert.Equal(0xA5, reader.UntrustedData.Span[99]);
        reader.Advance();
        // Until it is released, a reader that goes on for this one can read it.
        Assert.Contains((byte)0xA5, memory.Bytes.ToArray());
        reader.Release();
        Assert.DoesNotContain((byte)0xA5, memory.Bytes.ToArray());
    }

    [Fact]
    public void An_idle_ring_touches_its_first_pages_alone()
    {
        var memory = new ArrayRing(Capacity);
        var (writer, reader) = (new RingWriter(memory), new RingReader(memory, wipes: false));
        for (var i = 0; i < 10_000; i++)
        {
            Assert.True(writer.TryBegin(32, 0, out _));
            writer.Commit(new SeamRecord { Kind = SeamKind.Heartbeat, Length = 32 });
            writer.Publish();
            Assert.True(reader.TryPeek(out _));
            reader.Advance();
            reader.Release();
        }

        Assert.False(memory.Bytes[(20 << 10)..].ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void A_sleeping_reader_is_woken_once_and_a_waiting_writer_too()
    {
        var memory = new ArrayRing(Capacity);
        var (writer, reader) = (new RingWriter(memory), new RingReader(memory, wipes: false));
        Assert.True(reader.TrySleep());
        Assert.True(writer.TryBegin(10, 0, out _));
        writer.Commit(new SeamRecord { Kind = SeamKind.Await, Length = 10 });
        Assert.True(writer.Publish());
        Assert.False(reader.TrySleep());
        while (writer.TryBegin(1000, 0, out _))
        {
            writer.Commit(new SeamRecord { Kind = SeamKind.Await, Length = 1000 });
        }

        Assert.False(writer.Publish());
        Assert.True(reader.TryPeek(out _));
        reader.Advance();
        Assert.True(reader.Release());
        Assert.False(reader.Release());
    }

    [Theory]
    [InlineData(1UL << 40)]
    [InlineData(65UL)]
    [InlineData(ulong.MaxValue)]
    public void A_reader_that_lies_about_its_position_is_refused(ulong tail)
    {
        var memory = new ArrayRing(Capacity);
        var writer = new RingWriter(memory);
        memory.Tail = tail;
        Refused(() =>
        {
            while (writer.TryBegin(1000, 0, out _))
            {
                writer.Commit(new SeamRecord { Kind = SeamKind.Await, Length = 1000 });
            }

            writer.ThrowIfBroken();
        });
    }

    [Theory]
    [InlineData(63UL)]
    [InlineData(Capacity + 64UL)]
    [InlineData(ulong.MaxValue - 63)]
    public void A_writer_that_lies_about_its_position_is_refused(ulong head)
    {
        var memory = new ArrayRing(Capacity) { Head = head };
        Refused(() => new RingReader(memory, wipes: false).TryPeek(out _));
        Refused(() => new RingReader(memory, wipes: false).TrySleep());
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(65)]
    [InlineData(int.MaxValue)]
    [InlineData(int.MinValue)]
    public void A_record_that_is_longer_than_what_was_written_is_refused(int length)
    {
        var memory = new ArrayRing(Capacity);
        System.Runtime.InteropServices.MemoryMarshal.Write(memory.Bytes, new SeamRecord { Kind = SeamKind.Message, Length = length });
        memory.Head = 128;
        Refused(() => new RingReader(memory, wipes: false).TryPeek(out _));
    }

    [Fact]
    public void A_gap_that_goes_beyond_what_was_written_is_refused()
    {
        var memory = new ArrayRing(Capacity) { Head = 64 };
        System.Runtime.InteropServices.MemoryMarshal.Write(memory.Bytes, new SeamRecord { Kind = SeamKind.Skip });
        Refused(() => new RingReader(memory, wipes: false).TryPeek(out _));
    }

    private static void Refused(Action action) => Assert.Equal(ChannelError.WorkerFailed, Assert.Throws<ChannelException>(action).Code);
}
