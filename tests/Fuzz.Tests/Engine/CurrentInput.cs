using System.Buffers.Binary;
using System.Diagnostics;
using System.IO.MemoryMappedFiles;

namespace ChannelSdk.Fuzz.Tests.Engine;

/// <summary>The input that runs now, in a file that outlives the process; and the end of one that does not come to its end.</summary>
internal sealed unsafe class CurrentInput : IDisposable
{
    /// <summary>How the process ends after a hang.</summary>
    internal const int HangExitCode = 3;

    /// <summary>Time for one input: far more than any needs, also on a busy machine.</summary>
    private static readonly TimeSpan s_mostTime = TimeSpan.FromSeconds(10);

    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly int _maxLength;
    private readonly byte* _start;
    private readonly Thread _watch;
    private readonly ManualResetEventSlim _isOver = new();
    private long _begun;

    /// <param name="path">The file.</param>
    /// <param name="maxLength">Bytes of the longest input.</param>
    internal CurrentInput(string path, int maxLength)
    {
        _maxLength = maxLength;
        _file = MemoryMappedFile.CreateFromFile(path, FileMode.Create, null, sizeof(int) + maxLength);
        _view = _file.CreateViewAccessor();
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
        _watch = new Thread(Watch) { IsBackground = true, Name = "fuzz watch" };
        _watch.Start();
    }

    /// <summary>The input that a process has left when it died.</summary>
    internal static byte[] Read(string path)
    {
        var all = File.ReadAllBytes(path);
        return all[sizeof(int)..(sizeof(int) + BinaryPrimitives.ReadInt32LittleEndian(all))];
    }

    internal void Begin(ReadOnlySpan<byte> input)
    {
        BinaryPrimitives.WriteInt32LittleEndian(new Span<byte>(_start, sizeof(int)), input.Length);
        input.CopyTo(new Span<byte>(_start + sizeof(int), _maxLength));
        Volatile.Write(ref _begun, Stopwatch.GetTimestamp());
    }

    internal void End() => Volatile.Write(ref _begun, 0);

    public void Dispose()
    {
        _isOver.Set();
        _watch.Join();
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
        _isOver.Dispose();
    }

    private void Watch()
    {
        while (!_isOver.Wait(TimeSpan.FromSeconds(1)))
        {
            var begun = Volatile.Read(ref _begun);
            if (begun != 0 && Stopwatch.GetElapsedTime(begun) > s_mostTime)
            {
                Environment.Exit(HangExitCode);
            }
        }
    }
}
