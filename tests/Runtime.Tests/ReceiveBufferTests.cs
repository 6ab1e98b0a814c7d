using ChannelSdk.Channels.Links;

namespace ChannelSdk.Runtime.Tests;

public class ReceiveBufferTests
{
    private const int Min = 1024;
    private const int Max = 16384;

    private readonly ReceiveBuffer _buffer = new(Min, Max);

    public ReceiveBufferTests() => _buffer.Open();

    [Fact]
    public void A_full_buffer_with_nothing_taken_grows_and_keeps_what_it_has()
    {
        var bytes = Fill(Min);
        Assert.True(_buffer.GetSpace().Length >= Max - Min);
        Assert.Equal(Max, _buffer.Size);
        Assert.Equal(bytes, _buffer.Unread.ToArray());
    }

    [Fact]
    public void A_full_buffer_of_which_more_than_half_is_taken_moves_the_rest_and_does_not_grow()
    {
        var bytes = Fill(Min);
        _buffer.Consume(Min - 100);
        Assert.Equal(Min - 100, _buffer.GetSpace().Length);
        Assert.Equal(Min, _buffer.Size);
        Assert.Equal(bytes[^100..], _buffer.Unread.ToArray());
    }

    [Fact]
    public void A_large_buffer_becomes_small_again_after_many_small_receives_once_it_is_empty()
    {
        Fill(Min);
        _buffer.GetSpace();
        Assert.Equal(Max, _buffer.Size);
        for (var i = 0; i <= ReceiveBuffer.IdleReceives; i++)
        {
            Assert.Equal(Max, _buffer.Size);
            _buffer.GetSpace();
            _buffer.Add(1);
        }

        _buffer.GetSpace();
        Assert.Equal(Max, _buffer.Size);
        _buffer.ConsumeAll();
        Assert.Equal(Min, _buffer.GetSpace().Length);
    }

    [Fact]
    public void One_large_receive_among_small_ones_keeps_the_buffer_large()
    {
        Fill(Min);
        _buffer.GetSpace();
        for (var i = 0; i < 10 * ReceiveBuffer.IdleReceives; i++)
        {
            _buffer.ConsumeAll();
            _buffer.GetSpace();
            _buffer.Add(i % ReceiveBuffer.IdleReceives == 0 ? Max / 4 : 1);
            Assert.Equal(Max, _buffer.Size);
        }
    }

    [Fact]
    public void Taking_moves_no_space_that_a_receive_may_be_filling()
    {
        Fill(100);
        var space = _buffer.GetSpace();
        _buffer.ConsumeAll();
        space.Span[0] = 42;
        _buffer.Add(1);
        Assert.Equal([42], _buffer.Unread.ToArray());
    }

    [Fact]
    public void A_closed_buffer_holds_no_memory_and_begins_small_at_the_next_link()
    {
        Fill(Min);
        _buffer.GetSpace();
        _buffer.Close();
        Assert.Equal((0, 0), (_buffer.Size, _buffer.Unread.Length));
        _buffer.Open();
        Assert.Equal((Min, 0), (_buffer.Size, _buffer.Unread.Length));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Bytes_come_out_as_they_went_in_with_pieces_of_any_size(int seed)
    {
        var random = new Random(seed);
        byte next = 0;
        byte expected = 0;
        for (var i = 0; i < 20_000; i++)
        {
            var space = _buffer.GetSpace().Span;
            // As a session, which takes any frame that is whole: there is always room for more.
            Assert.NotEqual(0, space.Length);
            var count = Math.Min(space.Length, random.Next(10) == 0 ? random.Next(1, Max / 2) : random.Next(1, 40));
            foreach (ref var b in space[..count])
            {
                b = next++;
            }

            _buffer.Add(count);
            var take = Math.Max(random.Next(_buffer.Unread.Length + 1), _buffer.Unread.Length - Max / 2);
            // An assertion for each of eight million bytes would take seconds.
            var wrong = 0;
            foreach (var b in _buffer.Unread[..take])
            {
                wrong += b == expected++ ? 0 : 1;
            }

            Assert.Equal(0, wrong);
            _buffer.Consume(take);
        }
    }

    private byte[] Fill(int count)
    {
        var bytes = new byte[count];
        new Random(count).NextBytes(bytes);
        bytes.CopyTo(_buffer.GetSpace());
        _buffer.Add(count);
        return bytes;
    }
}
