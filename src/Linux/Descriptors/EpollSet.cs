using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Descriptors;

/// <summary>A set of watched descriptors (epoll(7)) and room for what one wait finds. The layout of struct epoll_event stays in here.</summary>
/// <remarks>Descriptors are added and removed by any thread; one thread waits, and reads what it found.</remarks>
public sealed unsafe class EpollSet : SafeFd
{
    private readonly int _room;
    private readonly byte* _found;

    private EpollSet(int room) : base(DescriptorCalls.EpollCreate1(Abi.EPOLL_CLOEXEC))
    {
        _room = room;
        _found = (byte*)NativeMemory.Alloc((nuint)room, (nuint)Abi.EpollEventSize);
    }

    /// <summary>Makes a set. It is invalid if the kernel gave none; <see cref="Errno.Last"/> tells why.</summary>
    /// <param name="room">The most events that one wait tells.</param>
    public static EpollSet Create(int room) => new(room);

    /// <summary>Watches a descriptor.</summary>
    /// <param name="fd">What is watched.</param>
    /// <param name="events">EPOLLIN and its like.</param>
    /// <param name="token">What a wait tells it by.</param>
    /// <returns>0, or -1 with the reason in <see cref="Errno.Last"/>.</returns>
    public int Add(SafeFd fd, uint events, ulong token) => Control(Abi.EPOLL_CTL_ADD, fd, events, token);

    /// <summary>Changes what is watched for; an event that is already true is told again.</summary>
    /// <inheritdoc cref="Add"/>
    public int Modify(SafeFd fd, uint events, ulong token) => Control(Abi.EPOLL_CTL_MOD, fd, events, token);

    /// <summary>Watches a descriptor, which must still be open, no longer. It fails only for a descriptor that is not in the set.</summary>
    public void Remove(SafeFd fd) => _ = Control(Abi.EPOLL_CTL_DEL, fd, 0, 0);

    /// <summary>Waits for events.</summary>
    /// <param name="timeoutMs">0 only looks; -1 waits without limit.</param>
    /// <returns>How many there are; -1 after a signal.</returns>
    public int Wait(int timeoutMs) => DescriptorCalls.EpollWait(this, _found, _room, timeoutMs);

    /// <summary>The events of a descriptor that the last wait found.</summary>
    public uint Events(int index) => Unsafe.ReadUnaligned<uint>(_found + (nint)index * Abi.EpollEventSize);

    /// <summary>The token of a descriptor that the last wait found.</summary>
    public ulong Token(int index) => Unsafe.ReadUnaligned<ulong>(_found + (nint)index * Abi.EpollEventSize + Abi.EpollEventData);

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        NativeMemory.Free(_found);
        return base.ReleaseHandle();
    }

    private int Control(int operation, SafeFd fd, uint events, ulong token)
    {
        var change = stackalloc byte[Abi.EpollEventSize];
        Unsafe.WriteUnaligned(change, events);
        Unsafe.WriteUnaligned(change + Abi.EpollEventData, token);
        return DescriptorCalls.EpollCtl(this, operation, fd, change);
    }
}
