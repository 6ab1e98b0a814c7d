namespace ChannelSdk.Protocol.State;

/// <summary>Memory that outlives the process that works on it. All zero before its first use; what is found there later is hostile.</summary>
public abstract class StateMemory
{
    /// <summary>Makes it.</summary>
    /// <param name="slots">For what is small, and changes as one.</param>
    /// <param name="buffers">For messages and frames.</param>
    protected StateMemory(Memory<byte> slots, Memory<byte> buffers) => (Slots, Buffers) = (slots, buffers);

    /// <summary>Number of the last change that is whole; 0: there is nothing to go on with. It is read and written as one, and ordered with all before and behind it.</summary>
    public abstract ulong Committed { get; set; }

    /// <summary>Gives pages back whose content is of no use any more.</summary>
    /// <param name="memory">A part of the buffers, of which the whole pages are meant.</param>
    public abstract void Release(Memory<byte> memory);

    internal Memory<byte> Slots { get; }

    internal Memory<byte> Buffers { get; }
}
