using System.Diagnostics;

namespace ChannelSdk.GuestAgent.Platform.Mounts;

/// <summary>
/// Asks file systems that may not answer. Those behind one program or server are asked one after the other, by a thread that is
/// given up when it does not return in time; until it does, none of them is asked again. Thread-safe.
/// </summary>
/// <param name="maxThreads">How many threads may wait at a time; what would need one more is told as silent.</param>
/// <param name="patience">How long all answers of a call together may take.</param>
/// <param name="ask">Asks one file system.</param>
internal sealed class FileSystemProbe(int maxThreads, TimeSpan patience, Func<MountEntry, FileSystemFigures> ask)
{
    // After this a further thread looks after the rest.
    private static readonly TimeSpan s_moment = TimeSpan.FromMilliseconds(50);
    private const int StackBytes = 128 << 10;
    private readonly object _gate = new();
    private readonly Dictionary<string, Way> _ways = new(StringComparer.Ordinal);
    private readonly List<Way> _ready = [];
    private int _threads;

    /// <summary>The figures of each mount, in the order of the questions; null for one that did not answer in time.</summary>
    /// <param name="questions">Each mount, and the mount to name if it does not answer.</param>
    public FileSystemFigures?[] Ask(IReadOnlyList<(MountEntry Mount, MountEntry Keeper)> questions)
    {
        var asked = new Question?[questions.Count];
        var start = Stopwatch.GetTimestamp();
        lock (_gate)
        {
            for (var i = 0; i < asked.Length; i++)
            {
                asked[i] = Enqueue(questions[i].Mount, questions[i].Keeper);
            }

            while (!IsDone(asked) && patience - Stopwatch.GetElapsedTime(start) is { Ticks: > 0 } left)
            {
                StartThread();
                Monitor.Wait(_gate, left < s_moment ? left : s_moment);
            }

            Array.ForEach(asked, GiveUp);
            return [.. asked.Select(static question => question?.Answer)];
        }
    }

    // One thread is enough for all that answers at once.
    private void StartThread()
    {
        if (_ready.Count == 0 || _threads == maxThreads)
        {
            return;
        }

        try
        {
            new Thread(Work, StackBytes) { IsBackground = true, Name = "statfs" }.Start();
            _threads++;
        }
        catch (OutOfMemoryException)
        {
            // No thread can be had (TasksMax of the unit): those that there are go on.
        }
    }

    private Question? Enqueue(MountEntry mount, MountEntry keeper)
    {
        // A number is given again after an unmount, while a thread may still wait for the mount that had it.
        var name = $"{keeper.Id} {keeper.Device} {keeper.Path}";
        if (!_ways.TryGetValue(name, out var way))
        {
            _ways[name] = way = new Way(name);
        }

        if (way.IsSilent)
        {
            return null;
        }

        if (!way.IsScheduled)
        {
            way.IsScheduled = true;
            _ready.Add(way);
        }

        var question = new Question(mount, way);
        way.Waiting.Add(question);
        return question;
    }

    private static bool IsDone(Question?[] asked) => Array.TrueForAll(asked, static question => question is null or { Answer: not null });

    // Nothing of it is left but the thread that is inside, if there is one.
    private void GiveUp(Question? question)
    {
        if (question is not { Answer: null, Way: var way })
        {
            return;
        }

        way.Waiting.Remove(question);
        way.IsSilent = way.IsAsked;
        if (!way.IsAsked && way.Waiting.Count == 0 && _ready.Remove(way))
        {
            _ways.Remove(way.Name);
        }
    }

    private void Work()
    {
        lock (_gate)
        {
            while (_ready.Count > 0)
            {
                var way = _ready[0];
                _ready.RemoveAt(0);
                while (way.Waiting.Count > 0)
                {
                    var question = way.Waiting[0];
                    way.Waiting.RemoveAt(0);
                    way.IsAsked = true;
                    Monitor.Exit(_gate);
                    var answer = Answer(question.Mount);
                    Monitor.Enter(_gate);
                    question.Answer = answer;
                    (way.IsAsked, way.IsSilent) = (false, false);
                    Monitor.PulseAll(_gate);
                }

                _ways.Remove(way.Name);
            }

            _threads--;
        }
    }

    private FileSystemFigures Answer(MountEntry mount)
    {
        try
        {
            return ask(mount);
        }
        catch (Exception)
        {
            // No exception may end the thread, and with it the process.
            return default;
        }
    }

    private sealed class Question(MountEntry mount, Way way)
    {
        public MountEntry Mount => mount;

        public Way Way => way;

        public FileSystemFigures? Answer { get; set; }
    }

    /// <summary>What is behind one program or server.</summary>
    private sealed class Way(string name)
    {
        public string Name => name;

        public List<Question> Waiting { get; } = [];

        public bool IsScheduled { get; set; }

        /// <summary>A thread is inside.</summary>
        public bool IsAsked { get; set; }

        /// <summary>A thread is inside, and was given up.</summary>
        public bool IsSilent { get; set; }
    }
}
