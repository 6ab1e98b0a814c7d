namespace ChannelSdk.Transports.Reactor;

/// <summary>
/// Tokens for registrations. An event that the kernel queued before a descriptor was closed carries a token of an
/// older generation and finds no registration, even when slot and descriptor number are in use again.
/// </summary>
internal sealed class RegistrationTable
{
    private readonly Lock _gate = new();
    private Slot[] _slots = new Slot[16];
    private int _used;
    private int _free = -1;

    internal ulong Add(IReactorClient client)
    {
        lock (_gate)
        {
            var index = _free;
            if (index >= 0)
            {
                _free = _slots[index].NextFree;
            }
            else
            {
                if (_used == _slots.Length)
                {
                    Array.Resize(ref _slots, _used * 2);
                }

                index = _used++;
            }

            ref var slot = ref _slots[index];
            slot.Client = client;
            slot.Generation++;
            return ((ulong)slot.Generation << 32) | (uint)index;
        }
    }

    internal void Remove(ulong token)
    {
        lock (_gate)
        {
            var index = (int)(uint)token;
            ref var slot = ref _slots[index];
            if (slot.Client is null || slot.Generation != (uint)(token >> 32))
            {
                return;
            }

            slot.Client = null;
            slot.NextFree = _free;
            _free = index;
        }
    }

    internal IReactorClient? Find(ulong token)
    {
        lock (_gate)
        {
            var index = (uint)token;
            if (index >= (uint)_used)
            {
                return null;
            }

            ref var slot = ref _slots[index];
            return slot.Generation == (uint)(token >> 32) ? slot.Client : null;
        }
    }

    private struct Slot
    {
        public IReactorClient? Client;
        public uint Generation;
        public int NextFree;
    }
}
