namespace ChannelSdk.GuestAgent.Qga;

/// <summary>The memory for the long texts of all clients of one agent, which stay within the heap's hard limit together. Thread-safe.</summary>
internal sealed class QgaMemory
{
    private const int Most = 6 << 20;
    private int _taken;

    /// <summary>Takes so many bytes; false if there are not so many left.</summary>
    public bool TryTake(int bytes)
    {
        if (Interlocked.Add(ref _taken, bytes) <= Most)
        {
            return true;
        }

        GiveBack(bytes);
        return false;
    }

    /// <summary>Gives back what was taken.</summary>
    public void GiveBack(int bytes) => Interlocked.Add(ref _taken, -bytes);
}
