using System.Runtime.InteropServices;
using ChannelSdk.Transports.Xen.Vchan;

namespace ChannelSdk.Transports.Tests.Xen;

/// <summary>A shared page with rings behind it, and both sides over it, without domains.</summary>
internal sealed unsafe class PageBench : IDisposable
{
    private const int Guard = 4096;
    private const byte GuardByte = 0xA5;

    private readonly byte* _memory;
    private readonly int _length;

    /// <param name="leftOrder">Of the client's ring.</param>
    /// <param name="rightOrder">Of the server's ring.</param>
    /// <param name="firstCounter">Where all counters begin.</param>
    internal PageBench(int leftOrder = 12, int rightOrder = 12, uint firstCounter = 0)
    {
        var left = VchanLayout.Pages(leftOrder) * VchanLayout.PageSize;
        var right = VchanLayout.Pages(rightOrder) * VchanLayout.PageSize;
        _length = Guard + VchanLayout.PageSize + left + right + Guard;
        _memory = (byte*)NativeMemory.AlignedAlloc((nuint)_length, VchanLayout.PageSize);
        new Span<byte>(_memory, _length).Fill(GuardByte);
        Page = _memory + Guard;
        new Span<byte>(Page, _length - 2 * Guard).Clear();
        for (var at = 0; at < VchanLayout.LeftOrder; at += sizeof(uint))
        {
            *(uint*)(Page + at) = firstCounter;
        }

        var leftData = left == 0 ? Page + VchanLayout.PlaceInPage(leftOrder) : Page + VchanLayout.PageSize;
        var rightData = right == 0 ? Page + VchanLayout.PlaceInPage(rightOrder) : Page + VchanLayout.PageSize + left;
        Server = new VchanEnd(true, Page, leftData, leftOrder, rightData, rightOrder);
        Client = new VchanEnd(false, Page, leftData, leftOrder, rightData, rightOrder);
        Server.Offer();
    }

    internal byte* Page { get; }

    internal VchanEnd Server { get; }

    internal VchanEnd Client { get; }

    /// <summary>All that a peer can write.</summary>
    internal Span<byte> Shared => new(Page, _length - 2 * Guard);

    internal ref uint Word(int offset) => ref *(uint*)(Page + offset);

    /// <summary>Whether nothing was written outside of what is shared.</summary>
    internal bool IsIntact =>
        new ReadOnlySpan<byte>(_memory, Guard).IndexOfAnyExcept(GuardByte) < 0
        && new ReadOnlySpan<byte>(_memory + _length - Guard, Guard).IndexOfAnyExcept(GuardByte) < 0;

    public void Dispose() => NativeMemory.AlignedFree(_memory);
}
