using System.Runtime.InteropServices;
using ChannelSdk.Fuzz.Tests.Engine;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Xen.Vchan;

namespace ChannelSdk.Fuzz.Tests.Targets;

/// <summary>A domain that writes any bytes into the shared page of a vchan. No memory outside of the shared pages is touched, for any counters.</summary>
internal sealed unsafe class VchanTarget : IFuzzTarget
{
    private const int Guard = 4096;
    private const byte GuardByte = 0xA5;
    private static readonly (int Left, int Right)[] s_orders = [(10, 11), (11, 10), (12, 12), (10, 13), (14, 11)];

    private readonly byte* _memory = (byte*)NativeMemory.AlignedAlloc(Guard * 16, VchanLayout.PageSize);
    private readonly byte[] _buffer = new byte[1 << 15];

    public string Name => "vchan";

    public IReadOnlyList<byte[]> Seeds { get; } =
    [
        [0, 0, 3, 100, 0, 1, 4, 100, 0, 2, 0, 1, 3, 0, 4, 4, 0, 4],
        [1, 0, 4, 0, 1, 3, 0, 1, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 3, 1, 0, 5, 9, 1, 2, 3],
    ];

    public void Run(ReadOnlySpan<byte> input)
    {
        var reader = new InputReader(input);
        var (left, right) = s_orders[reader.Byte() % s_orders.Length];
        var first = reader.Byte() < 200 ? 0 : reader.UInt32();
        var leftPages = VchanLayout.Pages(left);
        var length = (1 + leftPages + VchanLayout.Pages(right)) * VchanLayout.PageSize;
        new Span<byte>(_memory, Guard).Fill(GuardByte);
        new Span<byte>(_memory + Guard + length, Guard).Fill(GuardByte);
        var page = _memory + Guard;
        new Span<byte>(page, length).Clear();
        new Span<uint>(page, VchanLayout.LeftOrder / sizeof(uint)).Fill(first);
        var leftData = leftPages == 0 ? page + VchanLayout.PlaceInPage(left) : page + VchanLayout.PageSize;
        var rightData = VchanLayout.Pages(right) == 0 ? page + VchanLayout.PlaceInPage(right) : page + (1 + leftPages) * VchanLayout.PageSize;
        var server = new VchanEnd(true, page, leftData, left, rightData, right);
        var client = new VchanEnd(false, page, leftData, left, rightData, right);
        server.Offer();
        try
        {
            for (var steps = 0; !reader.IsEmpty && steps < 500; steps++)
            {
                var operation = reader.Byte();
                Step(ref reader, operation, (operation & 16) == 0 ? server : client, page, length);
            }
        }
        catch (ChannelException e) when (e.Code == ChannelError.TransportFailed)
        {
            // The ring is broken, and said to be.
        }

        BrokenPromiseException.ThrowUnless(
            new ReadOnlySpan<byte>(_memory, Guard).IndexOfAnyExcept(GuardByte) < 0 && new ReadOnlySpan<byte>(page + length, Guard).IndexOfAnyExcept(GuardByte) < 0,
            "memory that is not shared was written");
    }

    private void Step(ref InputReader input, byte operation, VchanEnd end, byte* page, int length)
    {
        switch (operation & 7)
        {
            case 0:
                *(uint*)(page + 4 * (input.Byte() % 4)) = input.UInt32();
                break;
            case 1:
                *(uint*)(page + 4 * (input.Byte() % 4)) += input.UInt16();
                break;
            case 2:
                *(uint*)(page + VchanLayout.Flags) = input.UInt32();
                break;
            case 3:
                Check(end.Receive(_buffer.AsSpan(0, 1 + input.UInt16() % _buffer.Length), out _));
                break;
            case 4:
                Check(end.Send(_buffer.AsSpan(0, 1 + input.UInt16() % _buffer.Length), out _));
                break;
            case 5:
                var bytes = input.Take(input.Byte());
                bytes.CopyTo(new Span<byte>(page + input.UInt16() % (length - 255), 255));
                break;
            case 6:
                end.TryClaim();
                break;
            case 7 when (operation & 32) != 0:
                end.Leave();
                break;
            default:
                *(uint*)(page + VchanLayout.Flags) = VchanLayout.Up | (VchanLayout.Up << 8) | (input.Byte() & 0x0Fu) << 16;
                break;
        }
    }

    private void Check(int count) =>
        BrokenPromiseException.ThrowUnless(count is >= VchanEnd.Wait && count <= _buffer.Length, $"{count} bytes were moved");
}
